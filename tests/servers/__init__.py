"""Servers that the tests start themselves: a private MariaDB, a relay that injects faults, ODBC settings."""
