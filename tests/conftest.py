"""What holds for all tests, and a PostgreSQL server on loopback for those that want one.

The server is of Debian's `postgresql`, where that is installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from server import database, programs, server

# Before any numerical library is imported: idle OpenMP threads of this process would compete with the workers.
os.environ.setdefault("OMP_NUM_THREADS", "1")


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
