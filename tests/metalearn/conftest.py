"""A PostgreSQL server on loopback for the tests, where Debian's `postgresql` is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from server import database, programs, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server, up to the name of a database."""
    if given := os.environ.get("AUTONET_POSTGRES"):
        yield given.rstrip("/")
        return
    installed = programs()
    if installed is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt install postgresql); AUTONET_POSTGRES may name a server")
    pytest.importorskip("psycopg")
    with server(installed) as address:
        yield address


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a new, empty database."""
    with database(postgres_server) as url:
        yield url
