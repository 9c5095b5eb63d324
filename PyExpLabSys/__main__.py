"""``python -m PyExpLabSys``: the same as the command ``pyexplabsys``."""

import sys

from PyExpLabSys.cli import main

if __name__ == "__main__":
    sys.exit(main())
