"""What can be wrong inside a store."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from metalearn.tables import RUNS, TRIALS


def problems(connection: Connection) -> list[str]:
    """In words; empty where all is well."""
    found = []
    gaps = (
        select(TRIALS.c.run, func.count(), func.max(TRIALS.c.number))
        .group_by(TRIALS.c.run)
        .having(func.count() != func.max(TRIALS.c.number) + 1)
    )
    orphans = select(TRIALS.c.run).where(TRIALS.c.run.not_in(select(RUNS.c.id))).distinct()
    if connection.dialect.name == "sqlite":
        told = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
        found += [f"the file: {line}" for line in told if line != "ok"]
    for run, count, last in connection.execute(gaps):
        found.append(f"run {run} holds {count} trials, but the last one is number {last}")
    found += [f"there are trials of run {run}, which does not exist" for run in connection.scalars(orphans)]
    return found
