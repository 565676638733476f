"""The store: runs and their trials in a database, kept from one search to the next.

Many processes may read and write one store at once. What a call has written stays written when the process is
killed the moment after.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, RowMapping, Table, delete, false, insert, inspect, select, true, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from metalearn.connections import INSERT, advisory_lock, checked_url, explanation, in_memory, make_engine, write_ahead
from metalearn.errors import StoreError
from metalearn.lock import sole_holder
from metalearn.migrations import migrate
from metalearn.records import Run, TaskRecord, TrialRecord
from metalearn.soundness import problems
from metalearn.tables import METADATA, RUNS, SCHEMA, TASKS, TRIALS, VERSION

LOCK = 4_121_989
"""Number of the lock, among those of a PostgreSQL database, under which the tables are made or changed."""


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
        self._url = checked_url(url)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._artefacts = None if artefacts is None else Path(artefacts).absolute()
        # The threads that use a store in memory share its one connection, so they take turns.
        self._turn = threading.RLock() if in_memory(self._url) else None
        if in_memory(self._url) and self._artefacts is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="metalearn-")
            self._artefacts = Path(self._temporary.name)
        self._engine = make_engine(self._url)
        try:
            self._prepare()
        except BaseException:
            self._engine.dispose()
            raise

    def __deepcopy__(self, memo: dict[int, Any]) -> Store:
        return self  # a copy of a handle, as scikit-learn's clone makes of parameters, is the handle

    def __reduce__(self) -> tuple[Any, ...]:
        if in_memory(self._url):
            raise StoreError("a store in memory cannot be sent to another process; use a file: sqlite:///runs.db")
        return _reopened, (self._url.render_as_string(hide_password=False), self._artefacts)

    def open_run(
        self,
        fingerprint: str,
        *,
        space: str,
        method: str,
        seed: int,
        settings: Mapping[str, Any],
        task: str | None = None,
        versions: Mapping[str, str] | None = None,
    ) -> int:
        """Number of the unfinished run with this fingerprint; a new run if there is none."""
        new = {
            "fingerprint": fingerprint,
            "space": space,
            "method": method,
            "seed": seed,
            "settings": dict(settings),
            "created": datetime.now(UTC),
            "finished": False,
            "task": task,
            "versions": dict(versions or {}),
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

    @contextmanager
    def sole(self, run: int) -> Iterator[None]:
        """Work on an unfinished run as its only process, and the only thread there; on a server, of all machines.

        Raises
        ------
        StoreError: another one is working on it, or has finished it in the meantime; or there is no such run.
        """
        with self._held(run) as mine:
            if not mine:
                raise StoreError(
                    f"another process is working on run {run} of {self._name}; wait, or use another seed or store"
                )
            if self.run(run).finished:
                raise StoreError(f"another process has finished run {run} of {self._name} meanwhile; call again")
            yield

    def _held(self, run: int) -> AbstractContextManager[bool]:
        if self._on_server:
            return advisory_lock(self._engine, LOCK, run)
        return sole_holder(self._artefact_root() / f"{run}.lock")

    def put_task(self, task: TaskRecord, *, replace: bool = True) -> None:
        """Write a task; the one with its fingerprint, if there is one, is replaced or stays."""
        with self._transaction(write=True) as connection:
            self._put_task(connection, task, replace)

    def _put_task(self, connection: Connection, task: TaskRecord, replace: bool) -> None:
        values = {each.name: getattr(task, each.name) for each in fields(task)}
        values["metafeatures"] = dict(task.metafeatures)
        statement = self._insert(TASKS).values(created=datetime.now(UTC), **values)
        if replace:
            replaced = {name: statement.excluded[name] for name in values if name != "fingerprint"}
            statement = statement.on_conflict_do_update(index_elements=["fingerprint"], set_=replaced)
        else:
            statement = statement.on_conflict_do_nothing()
        connection.execute(statement)

    def tasks(self) -> list[TaskRecord]:
        """All tasks, the oldest first."""
        columns = [TASKS.c[each.name] for each in fields(TaskRecord)]
        statement = select(*columns).order_by(TASKS.c.created, TASKS.c.fingerprint)
        with self._transaction() as connection:
            return [TaskRecord(**row._mapping) for row in connection.execute(statement)]

    def run(self, number: int) -> Run:
        """The run of this number.

        Raises
        ------
        StoreError: there is no such run.
        """
        with self._transaction() as connection:
            row = connection.execute(select(RUNS).where(RUNS.c.id == number)).one_or_none()
            if row is None:
                raise self._no_run(number)
            return Run(**row._mapping)

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

    def best_trials(self, task: str, count: int) -> list[TrialRecord]:
        """The `count` full trials of least loss of all runs of a task, the best first.

        Parameters
        ----------
        task: its fingerprint.
        """
        columns = [TRIALS.c[each.name] for each in fields(TrialRecord)]
        full = (TRIALS.c.budget == 1.0, TRIALS.c.state == "done", TRIALS.c.loss < float("inf"))
        order = (TRIALS.c.loss, TRIALS.c.run, TRIALS.c.number)
        with self._transaction() as connection:
            # By the numbers of its runs, which begin the primary key: a join may go through all trials of the store.
            runs = list(connection.scalars(select(RUNS.c.id).where(RUNS.c.task == task)))
            statement = select(*columns).where(TRIALS.c.run.in_(runs), *full).order_by(*order).limit(count)
            return [_record(row._mapping) for row in connection.execute(statement)]

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
        """Mark this run as finished, and remove its files: the next call with its fingerprint opens a new one.

        Raises
        ------
        StoreError: there is no such run.
        """
        with self._transaction(write=True) as connection:
            done = connection.execute(update(RUNS).where(RUNS.c.id == run).values(finished=true()))
            if done.rowcount == 0:
                raise self._no_run(run)
        self._remove_files(run)

    def take_in(self, tasks: Iterable[TaskRecord], runs: Iterable[tuple[Run, Sequence[TrialRecord]]]) -> int:
        """Add what another store holds, all of it or nothing; what is there already stays. The number of new runs.

        Runs may get other numbers. Those that are not finished are left out: what is needed to go on with them stayed
        where it was.

        Raises
        ------
        StoreError: a value cannot be stored, or a run holds two trials of one number.
        """
        taken = 0
        try:
            with self._transaction(write=True) as connection:
                for task in tasks:
                    self._put_task(connection, task, replace=False)
                for run, trials in runs:
                    taken += run.finished and self._put_run(connection, run, trials)
        except IntegrityError as error:
            raise StoreError(f"nothing was taken in: {explanation(self._name, error)}") from error
        return taken

    def _put_run(self, connection: Connection, run: Run, trials: Sequence[TrialRecord]) -> bool:
        same = select(RUNS.c.id).where(RUNS.c.fingerprint == run.fingerprint, RUNS.c.created == run.created)
        if connection.scalar(same) is not None:
            return False
        values = {each.name: getattr(run, each.name) for each in fields(Run) if each.name != "id"}
        made = connection.execute(insert(RUNS).values(values)).inserted_primary_key
        assert made is not None
        rows = [{each.name: getattr(t, each.name) for each in fields(TrialRecord)} for t in trials]
        if rows:
            connection.execute(insert(TRIALS), [{"run": made[0], **row, "artefact": None} for row in rows])
        return True

    def remove_run(self, run: int) -> None:
        """Delete a run, its trials and its files; one that is not there is no error."""
        with self._transaction(write=True) as connection:
            connection.execute(delete(TRIALS).where(TRIALS.c.run == run))
            connection.execute(delete(RUNS).where(RUNS.c.id == run))
        self._remove_files(run)

    def _remove_files(self, run: int) -> None:
        if self._artefacts is not None or not self._on_server:
            root = self._artefact_root()
            shutil.rmtree(root / str(run), ignore_errors=True)
            (root / f"{run}.lock").unlink(missing_ok=True)

    def problems(self) -> list[str]:
        """What is wrong with the store, in words; empty where all is well."""
        with self._transaction() as connection:
            return problems(connection)

    def artefact_dir(self, run: int) -> Path:
        """Folder for the files of this run, made when absent.

        Raises
        ------
        StoreError: the store is on a server and was given no folder for artefacts.
        """
        folder = self._artefact_root() / str(run)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _artefact_root(self) -> Path:
        if self._artefacts is None:
            if self._on_server:
                raise StoreError(
                    f"the store {self._name} is on a server and has no folder beside it; "
                    "name one: Store(url, artefacts='folder')"
                )
            self._artefacts = Path(f"{self._url.database}.artefacts")
        self._artefacts.mkdir(parents=True, exist_ok=True)
        return self._artefacts

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
    def _on_server(self) -> bool:
        return self._engine.dialect.name != "sqlite"

    @property
    def _name(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _insert(self, table: Table) -> Any:
        # The dialects' own statements have "or update", each as a class of its own.
        return INSERT[self._engine.dialect.name](table)

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
            raise StoreError(explanation(self._name, error)) from error
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
        if self._engine.dialect.name == "sqlite" and not in_memory(self._url):
            write_ahead(self._engine, self._name)
        with self._transaction(write=True) as connection:
            if self._on_server:  # two processes that make one table at the same moment would both fail
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            if SCHEMA.name in inspect(connection).get_table_names():  # again: another process may have been quicker
                found = connection.scalar(select(SCHEMA.c.version).with_for_update())
                if found is not None and found < VERSION:
                    migrate(connection, found, VERSION)
                    connection.execute(update(SCHEMA).values(version=VERSION))
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


def _record(row: RowMapping) -> TrialRecord:
    curve = tuple((float(share), float(loss)) for share, loss in row["curve"])
    return TrialRecord(**{**dict(row), "curve": curve})


def _reopened(url: str, artefacts: Path | None) -> Store:
    return Store(url, artefacts=artefacts)
