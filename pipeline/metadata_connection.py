"""Where ML Metadata is kept: in SQLite beside the artifacts, or in a database of a MySQL server."""

import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pipeline import record
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    from pipeline.config import Config

PASSWORD = "MYSQL_PWD"  # noqa: S105 (where it is, as for MySQL's own programs: their library reads it)
_EXPECTED = "mysql://user@host:port/database"
_TIMEOUT_S = 5.0
_ATTEMPTS, _PAUSE_S = 10, 0.5
_LOGIN, _DATABASE, _TABLES = "mysql_real_connect", "Changing to database", "subset of tables"  # in its errors


@dataclass(frozen=True)
class MySql:
    """A database, as `run.metadata` names it."""

    user: str
    host: str
    port: int
    database: str


def parse(url: str) -> MySql:
    """Reads a `run.metadata`.

    Raises:
      ValueError: what is wrong with it. It is not repeated, for it may hold a password where none should be.
    """
    parts = urlsplit(url)
    if parts.scheme != "mysql":
        raise ValueError(f"expected {_EXPECTED}, got {'another' if parts.scheme else 'no'} scheme")
    if parts.password is not None:
        raise ValueError(
            "a password must not stand in the configuration, which every run keeps; expected "
            f"{_EXPECTED}, and the password in the environment variable {PASSWORD}"
        )
    try:
        port = parts.port or 3306
    except ValueError:
        raise ValueError(f"expected {_EXPECTED}, got a port that is none") from None
    database = parts.path.removeprefix("/")
    if not (parts.username and parts.hostname and re.fullmatch(r"[\w$-]+", database)):
        raise ValueError(f"expected {_EXPECTED}, got no user, no host, or no database")
    if parts.query or parts.fragment:
        raise ValueError(f"expected {_EXPECTED}, got something behind the database")
    return MySql(unquote(parts.username), parts.hostname, port, database)


def connection(config: "Config") -> "mlmd.ConnectionConfig":
    """How ML Metadata is reached; never holds a password."""
    from ml_metadata.proto import metadata_store_pb2 as mlmd

    if config.run.metadata is None:
        file = Path(config.run.root, config.name, record.ARTIFACTS, record.METADATA)
        return mlmd.ConnectionConfig(
            sqlite=mlmd.SqliteMetadataSourceConfig(
                filename_uri=str(file), connection_mode=mlmd.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
            )
        )
    url = parse(config.run.metadata)
    return mlmd.ConnectionConfig(
        mysql=mlmd.MySQLDatabaseConfig(
            # For MySQL's library `localhost` is not a host but its socket.
            host="127.0.0.1" if url.host == "localhost" else url.host,
            port=url.port,
            user=url.user,
            database=url.database,
            skip_db_creation=True,  # a database with a mistyped name is a mistake, not a new one
        )
    )


def refuse_unreachable(config: "Config") -> None:
    """Ends in seconds, and before TFX is loaded, where ML Metadata could not be reached later.

    Raises:
      ConfigError: what is to be mended: server, login or database.
    """
    if config.run.metadata is None:
        return
    url = parse(config.run.metadata)
    try:
        with socket.create_connection((url.host, url.port), timeout=_TIMEOUT_S) as server:
            answers = bool(server.recv(1))  # the server speaks first
    except OSError as error:
        raise _refused(
            f"no MySQL server answers at {url.host}:{url.port} ({error}); "
            "look at host and port, and whether it is started"
        ) from error
    if not answers:
        raise _refused(f"what answers at {url.host}:{url.port} is no MySQL server")
    from ml_metadata import metadata_store

    for attempt in range(_ATTEMPTS):
        try:
            metadata_store.MetadataStore(connection(config))
        except Exception as error:
            # Of several first runs at once one makes the tables, the others come upon a part of them.
            if attempt + 1 == _ATTEMPTS or any(sign in str(error) for sign in (_LOGIN, _DATABASE)):
                raise _refused(_in_words(url, str(error))) from error
            time.sleep(_PAUSE_S)
        else:
            return


def _in_words(url: MySql, said: str) -> str:
    if _LOGIN in said:  # of which ML Metadata keeps no reason
        return (
            f"the server at {url.host}:{url.port} does not let {url.user} in; look at the password in "
            f"{PASSWORD}, and that the user may come from here and has the plugin mysql_native_password"
        )
    if _DATABASE in said:
        return (
            f"there is no database {url.database}, or {url.user} has no right to it; the server's "
            f"administrator does CREATE DATABASE `{url.database}` and GRANT ALL ON `{url.database}`.*"
        )
    if _TABLES in said:
        return (
            f"the database {url.database} holds a part of ML Metadata's tables: a run was killed that made "
            f"them, or some were removed; restore it, or DROP DATABASE `{url.database}` and create it anew"
        )
    return said


def _refused(problem: str) -> ConfigError:
    return ConfigError("ML Metadata cannot be reached", [f"run.metadata: {problem}"])
