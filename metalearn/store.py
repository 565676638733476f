"""The store: runs and their trials in a database, kept from one search to the next.

Many processes may read and write one store at once. What a call has written stays written when the process is
killed the moment after.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    RowMapping,
    Table,
    create_engine,
    event,
    false,
    insert,
    inspect,
    make_url,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DisconnectionError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.pool import StaticPool

from metalearn.errors import StoreError
from metalearn.records import Run, TrialRecord
from metalearn.tables import METADATA, RUNS, SCHEMA, TRIALS, VERSION

BUSY_SECONDS = 30.0
"""How long a write waits for another process that is writing."""

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}  # the two that can insert or update


class Store:
    """Runs and trials in a database.

    Parameters
    ----------
    url: `sqlite:///runs.db` (a file, made when absent), `sqlite://` (in memory, gone at the end) or
        `postgresql://user@host/name`.
    artefacts: folder for what runs keep in files. By default `<file>.artefacts` beside a SQLite file, or a
        temporary folder for a store in memory; a server has no default.

    Raises
    ------
    StoreError: the URL is none of these, or what it names is no store, is damaged, or is of a newer version.
    """

    def __init__(self, url: str = "sqlite:///runs.db", *, artefacts: str | os.PathLike[str] | None = None) -> None:
        self._url = _checked_url(url)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._artefacts = None if artefacts is None else Path(artefacts).absolute()
        # The threads that use a store in memory share its one connection, so they take turns.
        self._turn = threading.RLock() if _in_memory(self._url) else None
        self._engine = _engine(self._url)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Store:
        return self  # a copy of a handle, as scikit-learn's clone makes of parameters, is the handle

    def __reduce__(self) -> tuple[Any, ...]:
        if _in_memory(self._url):
            raise StoreError("a store in memory cannot be sent to another process; use a file: sqlite:///runs.db")
        return _reopened, (self._url.render_as_string(hide_password=False), self._artefacts)

    def open_run(self, fingerprint: str, *, space: str, method: str, seed: int, settings: Mapping[str, Any]) -> int:
        """Number of the unfinished run with this fingerprint; a new run if there is none."""
        new = {
            "fingerprint": fingerprint,
            "space": space,
            "method": method,
            "seed": seed,
            "settings": dict(settings),
            "created": datetime.now(UTC),
            "finished": False,
        }
        unfinished = select(RUNS.c.id).where(RUNS.c.fingerprint == fingerprint, RUNS.c.finished == false())
        with self._transaction(write=True) as connection:
            found = connection.scalar(unfinished)
            if found is None:
                connection.execute(self._insert(RUNS).values(new).on_conflict_do_nothing())
                found = connection.scalar(unfinished)
            if found is None:
                raise StoreError(f"run {fingerprint!r} was finished by another process while it was opened")
            return int(found)

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        with self._transaction() as connection:
            return [Run(**row._mapping) for row in connection.execute(select(RUNS).order_by(RUNS.c.id))]

    def trials(self, run: int | Run) -> list[TrialRecord]:
        """The trials of this run in the order of their numbers.

        Raises
        ------
        StoreError: there is no such run.
        """
        number = run.id if isinstance(run, Run) else run
        columns = [TRIALS.c[each.name] for each in fields(TrialRecord)]
        statement = select(*columns).where(TRIALS.c.run == number).order_by(TRIALS.c.number)
        with self._transaction() as connection:
            records = [_record(row._mapping) for row in connection.execute(statement)]
            if not records and connection.scalar(select(RUNS.c.id).where(RUNS.c.id == number)) is None:
                raise self._no_run(number)
            return records

    def write(self, run: int, record: TrialRecord) -> None:
        """Put this trial into the run, in place of the one with its number if there is one.

        Raises
        ------
        StoreError: there is no such run, or a value cannot be stored.
        """
        values = {each.name: getattr(record, each.name) for each in fields(record)}
        values["config"] = dict(record.config)
        statement = self._insert(TRIALS).values(run=run, **values)
        replaced = {name: statement.excluded[name] for name in values if name != "number"}
        statement = statement.on_conflict_do_update(index_elements=["run", "number"], set_=replaced)
        try:
            with self._transaction(write=True) as connection:
                connection.execute(statement)
        except IntegrityError as error:
            raise self._no_run(run) from error

    def finish(self, run: int) -> None:
        """Mark this run as finished: the next call with its fingerprint opens a new one.

        Raises
        ------
        StoreError: there is no such run.
        """
        with self._transaction(write=True) as connection:
            done = connection.execute(update(RUNS).where(RUNS.c.id == run).values(finished=true()))
            if done.rowcount == 0:
                raise self._no_run(run)

    def artefact_dir(self, run: int) -> Path:
        """Folder for the files of this run, made when absent.

        Raises
        ------
        StoreError: the store is on a server and was given no folder for artefacts.
        """
        if self._artefacts is None:
            if _in_memory(self._url):
                self._temporary = tempfile.TemporaryDirectory(prefix="metalearn-")
                self._artefacts = Path(self._temporary.name)
            elif self._url.get_backend_name() == "sqlite":
                self._artefacts = Path(f"{self._url.database}.artefacts")
            else:
                raise StoreError(
                    f"the store {self._name} is on a server and has no folder beside it; "
                    "name one: Store(url, artefacts='folder')"
                )
        folder = self._artefacts / str(run)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def close(self) -> None:
        """Close the connections and remove a temporary folder; a second call does nothing."""
        self._engine.dispose()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _name(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _insert(self, table: Table) -> Any:
        # The dialects' own statements have "or update", each as a class of its own.
        return _INSERT[self._engine.dialect.name](table)

    def _no_run(self, run: int) -> StoreError:
        return StoreError(f"the store {self._name} has no run {run}; runs() lists those that it has")

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Iterator[Connection]:
        if self._turn is not None:
            self._turn.acquire()
        try:
            with self._engine.connect().execution_options(write=write) as connection, connection.begin():
                yield connection
        except IntegrityError:  # the caller knows which rule it broke
            raise
        except (SQLAlchemyError, OverflowError) as error:
            raise StoreError(_explanation(self._name, error)) from error
        finally:
            if self._turn is not None:
                self._turn.release()

    def _prepare(self) -> None:
        """Look at what is there before anything is written to it; then make what is missing."""
        with self._transaction() as connection:
            tables = inspect(connection).get_table_names()
            if SCHEMA.name in tables:
                self._check_version(connection)
            elif tables and self._engine.dialect.name == "sqlite":
                raise StoreError(
                    f"{self._name} is a database but not a store (it holds {', '.join(sorted(tables)[:3])}); "
                    "name another file"
                )
        if self._engine.dialect.name == "sqlite" and not _in_memory(self._url):
            self._write_ahead()
        with self._transaction(write=True) as connection:
            METADATA.create_all(connection)
            if connection.scalar(select(SCHEMA.c.version)) is None:
                connection.execute(insert(SCHEMA).values(version=VERSION))
            self._check_version(connection)

    def _check_version(self, connection: Connection) -> None:
        version = connection.scalar(select(SCHEMA.c.version))
        if version is not None and version > VERSION:
            raise StoreError(
                f"the store {self._name} has version {version}, newer than the version {VERSION} that this "
                "program can read; upgrade the program or name another store"
            )

    def _write_ahead(self) -> None:
        # With a write-ahead log readers and a writer do not wait for each other. The file remembers the mode.
        # SQLite does not wait its busy timeout for the lock that this change needs, so it is asked again.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            connection = self._engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL").close()
                return
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise StoreError(_explanation(self._name, error)) from error
                time.sleep(0.01)
            finally:
                connection.close()


def _record(row: RowMapping) -> TrialRecord:
    curve = tuple((float(share), float(loss)) for share, loss in row["curve"])
    return TrialRecord(**{**dict(row), "curve": curve})


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _checked_url(text: str) -> URL:
    rule = "a store is named by a URL such as 'sqlite:///runs.db', 'sqlite://' or 'postgresql://user@host/name'"
    try:
        url = make_url(text)
        known = url.get_backend_name() in _INSERT
    except (ArgumentError, ValueError):
        cure = f"write 'sqlite:///{text}' for that file" if "://" not in str(text) else "correct it"
        raise StoreError(f"{text!r} is not a database URL; {rule}; {cure}") from None
    if not known:
        raise StoreError(f"{text!r} names the unsupported database {url.get_backend_name()!r}; {rule}")
    if url.get_backend_name() == "sqlite" and not _in_memory(url):
        # Made absolute, so that a change of the working directory does not change the store.
        path = Path(str(url.database)).expanduser().absolute()
        if not path.parent.is_dir():
            raise StoreError(f"{text!r} lies in the folder {path.parent}, which does not exist; make it first")
        url = url.set(database=str(path))
    return url


def _engine(url: URL) -> Engine:
    sqlite_file = {"connect_args": {"timeout": BUSY_SECONDS}}
    sqlite_memory = {"connect_args": {"check_same_thread": False}, "poolclass": StaticPool}
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        options = sqlite_memory if _in_memory(url) else sqlite_file
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError(f"cannot use {url.drivername!r} ({error}); install the driver of this database") from error
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


def _note_process(connection: Any, record: Any) -> None:
    record.info["process"] = os.getpid()


def _refuse_inherited(connection: Any, record: Any, proxy: Any) -> None:
    # A connection must not be used on both sides of a fork; the pool then opens a new one.
    if record.info["process"] != os.getpid():
        record.dbapi_connection = proxy.dbapi_connection = None
        raise DisconnectionError("the connection belongs to another process")


def _explanation(name: str, error: BaseException) -> str:
    if isinstance(error, StatementError) and error.orig is not None:
        if isinstance(error.orig, StoreError):  # from a column type, which knows the value
            return str(error.orig)
        cause = str(error.orig)
    else:
        cause = str(error)
    if isinstance(error, OverflowError):
        return f"{cause}: numbers in a store lie in [-2**63, 2**63)"
    if "not a database" in cause or "malformed" in cause:
        return f"{name} is damaged or no SQLite database ({cause}); it was left as it is; name another file"
    if isinstance(error, OperationalError) and "locked" in cause:
        return f"{name} was locked by another process for {BUSY_SECONDS:g} s; end that process or try again"
    return f"the store {name} cannot do this: {cause}"


def _reopened(url: str, artefacts: Path | None) -> Store:
    return Store(url, artefacts=artefacts)
