"""The tests; a package, so that every test and its subprocesses can import ``tests.servers``."""
