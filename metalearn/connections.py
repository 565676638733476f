"""Databases by their URL: which are known, how they are opened, and what their errors mean."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.pool import StaticPool

from metalearn.errors import StoreError

BUSY_SECONDS = 30.0
"""How long a write waits for another process that is writing."""
INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
"""Statements of the two databases that can insert or update."""


def in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def checked_url(text: str) -> URL:
    rule = "a store is named by a URL such as 'sqlite:///runs.db', 'sqlite://' or 'postgresql://user@host/name'"
    try:
        url = make_url(text)
        known = url.get_backend_name() in INSERT
    except (ArgumentError, ValueError):
        cure = f"write 'sqlite:///{text}' for that file" if "://" not in str(text) else "correct it"
        raise StoreError(f"{text!r} is not a database URL; {rule}; {cure}") from None
    if not known:
        raise StoreError(f"{text!r} names the unsupported database {url.get_backend_name()!r}; {rule}")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # SQLAlchemy's own default is the driver before it
    if url.get_backend_name() == "sqlite" and not in_memory(url):
        # Made absolute, so that a change of the working directory does not change the store.
        path = Path(str(url.database)).expanduser().absolute()
        if not path.parent.is_dir():
            raise StoreError(f"{text!r} lies in the folder {path.parent}, which does not exist; make it first")
        url = url.set(database=str(path))
    return url


def make_engine(url: URL) -> Engine:
    sqlite_file = {"connect_args": {"timeout": BUSY_SECONDS}}
    sqlite_memory = {"connect_args": {"check_same_thread": False}, "poolclass": StaticPool}
    options: dict[str, Any] = {"pool_pre_ping": True}  # a server may close what was idle during a long trial
    if url.get_backend_name() == "sqlite":
        options = sqlite_memory if in_memory(url) else sqlite_file
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ImportError) as error:
        cure = "pip install 'autonet[postgres]'" if url.drivername == "postgresql+psycopg" else "install that driver"
        raise StoreError(f"cannot use {url.drivername!r} ({error}); {cure}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    event.listen(engine, "connect", _note_process)
    event.listen(engine, "checkout", _refuse_inherited)
    return engine


def _set_up(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # sqlite3 begins no transactions of its own: `_begin` does
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA synchronous=NORMAL")  # with the log, what is committed survives a killed process
    cursor.close()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once: one that reads first and then wants it may find that it can never have it.
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def write_ahead(engine: Engine, name: str) -> None:
    """Have a SQLite file keep a write-ahead log: readers and a writer do not wait for each other then.

    The file remembers the mode.
    """
    # SQLite does not wait its busy timeout for the lock that this change needs, so it is asked again.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL").close()
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise StoreError(explanation(name, error)) from error
            time.sleep(0.01)
        finally:
            connection.close()


@contextmanager
def advisory_lock(engine: Engine, number: int, second: int) -> Iterator[bool]:
    """Hold the lock of these two numbers of a PostgreSQL database; False at once where another connection has it."""
    numbers = f"({number:d}, {second:d})"
    with engine.connect() as connection:
        connection.detach()  # never back to the pool: should the unlocking fail, the lock ends with its connection
        mine = bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_lock{numbers}").scalar())
        connection.commit()
        try:
            yield mine
        finally:
            if mine:
                with suppress(SQLAlchemyError):  # closing alone is heard by the server a moment later
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock{numbers}")


def _note_process(connection: Any, record: Any) -> None:
    record.info["process"] = os.getpid()


def _refuse_inherited(connection: Any, record: Any, proxy: Any) -> None:
    # A connection must not be used on both sides of a fork; the pool then opens a new one.
    if record.info["process"] != os.getpid():
        record.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("the connection belongs to another process")


def explanation(name: str, error: BaseException) -> str:
    if isinstance(error, StatementError) and error.orig is not None:
        if isinstance(error.orig, StoreError):  # from a column type, which knows the value
            return str(error.orig)
        cause = str(error.orig)
    else:
        cause = str(error)
    if isinstance(error, OverflowError) or "out of range" in cause:
        return f"{cause}: numbers in a store lie in [-2**63, 2**63)"
    if "not a database" in cause or "malformed" in cause:
        return f"{name} is damaged or no SQLite database ({cause}); it was left as it is; name another file"
    if isinstance(error, OperationalError) and "locked" in cause:
        return f"{name} was locked by another process for {BUSY_SECONDS:g} s; end that process or try again"
    return f"the store {name} cannot do this: {cause}"
