"""The ``cinfdata`` database: connections, tables, codenames, writing and reading points."""
