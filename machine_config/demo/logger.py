"""The demo: three simulated instruments and this computer into a new SQLite file, for DEMO_SECONDS or until Ctrl-C.

What it consists of stands in PyExpLabSys/apps/demo_setup.py.
"""

from PyExpLabSys.apps.demo import main

if __name__ == "__main__":
    main()
