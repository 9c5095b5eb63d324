"""A lab's database on a test server: fresh, with the account that labs use for trying things out."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.mariadb import MariaDB

USERNAME = "dummy"
PASSWORD = "dummy"
# The tables as they were made in labs long ago: whole seconds, latin1, no index on type, codenames not unique.
OLD_TABLES = (
    """CREATE TABLE `dateplots_{setup}` (
        `id` int unsigned NOT NULL AUTO_INCREMENT,
        `time` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
        `type` smallint unsigned NOT NULL,
        `value` double DEFAULT NULL,
        PRIMARY KEY (`id`), KEY `time` (`time`)
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
    """CREATE TABLE IF NOT EXISTS `dateplots_descriptions` (
        `id` smallint unsigned NOT NULL,
        `codename` char(255) NOT NULL,
        `description` char(255) DEFAULT NULL,
        PRIMARY KEY (`id`)
    ) ENGINE={engine} DEFAULT CHARSET=utf8mb4""",
    """CREATE TABLE `measurements_{setup}` (
        `id` int unsigned NOT NULL AUTO_INCREMENT,
        `time` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
        `type` int unsigned NOT NULL,
        `timestep` double DEFAULT NULL,
        `comment` varchar(255) NOT NULL,
        `label` varchar(45) DEFAULT NULL,
        PRIMARY KEY (`id`)
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
    """CREATE TABLE `xy_values_{setup}` (
        `id` int unsigned NOT NULL AUTO_INCREMENT,
        `measurement` int unsigned NOT NULL,
        `x` double NOT NULL,
        `y` double NOT NULL,
        PRIMARY KEY (`id`), KEY `measurement` (`measurement`)
    ) ENGINE={engine} DEFAULT CHARSET=latin1""",
)


@dataclass(frozen=True, kw_only=True)
class LabDatabase:
    """Where the database is, and what a script needs to use it."""

    server: MariaDB = field(repr=False)
    name: str
    host: str
    port: int
    username: str = USERNAME
    password: str = PASSWORD

    def sql(self, statement: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement in this database as the server's root, and return its rows."""
        return self.server.sql(statement, self.name, parameters)

    def create_old_layout(
        self, setup: str = "dummy", codenames: Sequence[str] = ("dummy_sine_one",), engine: str = "MyISAM"
    ) -> dict[str, int]:
        """Create a setup's tables as old labs have them, and return the ids of its codenames."""
        for statement in OLD_TABLES:
            self.sql(statement.format(setup=setup, engine=engine))
        ((last_id,),) = self.sql("SELECT COALESCE(MAX(id), 0) FROM dateplots_descriptions")
        ids = {codename: last_id + position for position, codename in enumerate(codenames, start=1)}
        for codename, codename_id in ids.items():
            self.sql("INSERT INTO dateplots_descriptions (id, codename) VALUES (%s, %s)", (codename_id, codename))
        return ids

    def drop(self) -> None:
        """Drop this database; connections that a test left open end, for DROP would wait for their locks."""
        self.server.sql(f"KILL USER `{self.username}`@`{self.host}`")
        self.server.sql(f"DROP DATABASE `{self.name}`")


def create_lab_database(server: MariaDB) -> LabDatabase:
    """Create an empty database on a server, and the account ``dummy`` with all rights on it and on nothing else."""
    name = f"lab_{secrets.token_hex(4)}"
    server.sql(f"CREATE DATABASE `{name}`")
    server.sql(f"CREATE OR REPLACE USER `{USERNAME}`@`{server.host}` IDENTIFIED BY '{PASSWORD}'")
    server.sql(f"GRANT ALL ON `{name}`.* TO `{USERNAME}`@`{server.host}`")
    return LabDatabase(server=server, name=name, host=server.host, port=server.port)
