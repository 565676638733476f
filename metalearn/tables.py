"""The tables of a store, and the column types that keep what a plain column would lose."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.types import TypeDecorator

from metalearn.errors import StoreError

VERSION = 2
"""Version of the tables below; it grows with every change of them, and `migrations` says how."""


class Real(TypeDecorator[float]):
    """A double that may be NaN: SQLite turns NaN into NULL, so NULL is NaN here. Infinities pass as they are."""

    impl = Float(53)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        return None if value is None or math.isnan(value) else float(value)

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:
        return math.nan if value is None else value


class Json(TypeDecorator[Any]):
    """A JSON value as text; a database's own JSON type would refuse infinity and NaN."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        try:
            return json.dumps(value)
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"cannot store {value!r} ({error}); use str, int, float, bool, None, and lists and dicts of them"
            ) from error

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Words(TypeDecorator[str]):
    """Any text, also a traceback with what UTF-8 or PostgreSQL refuse (lone surrogates, NUL), made visible."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite's own type forgets the time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


METADATA = MetaData()

SCHEMA = Table("metalearn_schema", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

TASKS = Table(
    "metalearn_tasks",
    METADATA,
    Column("fingerprint", String(255), primary_key=True),
    Column("name", Words, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("metric", Words, nullable=False),
    Column("metafeatures", Json, nullable=False),
    Column("created", Moment, nullable=False),
)

RUNS = Table(
    "metalearn_runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", String(255), nullable=False),
    Column("space", Words, nullable=False),
    Column("method", Words, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("settings", Json, nullable=False),
    Column("created", Moment, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("task", String(255)),
    Column("versions", Json, nullable=False, server_default="{}"),
    sqlite_autoincrement=True,  # a number that was removed is not given again
)

# Two processes that open the same run at the same moment get one run, not two.
Index(
    "metalearn_one_unfinished_run",
    RUNS.c.fingerprint,
    unique=True,
    sqlite_where=RUNS.c.finished == false(),
    postgresql_where=RUNS.c.finished == false(),
)

TRIALS = Table(
    "metalearn_trials",
    METADATA,
    Column("run", ForeignKey(RUNS.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("config", Json, nullable=False),
    Column("budget", Real, nullable=False),
    Column("bracket", Integer, nullable=False),
    Column("rung", Integer, nullable=False),
    Column("parent", Integer),
    Column("seed", BigInteger, nullable=False),
    Column("state", String(32), nullable=False),
    Column("loss", Real),
    Column("cost", Real),
    Column("curve", Json, nullable=False),
    Column("artefact", Words),
    Column("error", Words, nullable=False),
)
