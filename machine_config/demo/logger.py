"""The demo: this computer's own readings into a new SQLite file, for DEMO_SECONDS or until Ctrl-C."""

from PyExpLabSys.apps.demo import main

if __name__ == "__main__":
    main()
