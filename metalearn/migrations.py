"""What turns the tables of an older version into those of the next one; tables that are new need no step here."""

from __future__ import annotations

from sqlalchemy import Connection, text

STEPS = {
    1: (
        "ALTER TABLE metalearn_runs ADD COLUMN task VARCHAR(255)",
        "ALTER TABLE metalearn_runs ADD COLUMN versions TEXT DEFAULT '{}' NOT NULL",
    ),
}
"""Statements by the version that they start from, in the SQL of both databases."""


def migrate(connection: Connection, version: int, target: int) -> None:
    """Bring the tables from one version to a later one, inside the transaction of the connection."""
    for step in range(version, target):
        for statement in STEPS[step]:
            connection.execute(text(statement))
