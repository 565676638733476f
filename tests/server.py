"""A PostgreSQL server on loopback, of the programs that Debian's `postgresql` installs; gone at the end.

python tests/server.py       # prints the URL of an empty database and serves until Ctrl-C
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

START_SECONDS = 60


def programs() -> Path | None:
    """The folder of initdb and pg_ctl, the newest version's; None where they are not installed."""
    known = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(known[-1]) if known else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def server(folder_of_programs: Path) -> Iterator[str]:
    """URL of a new server, up to the name of a database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="autonet-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    initdb, pg_ctl, data = folder_of_programs / "initdb", folder_of_programs / "pg_ctl", folder / "data"
    _run(initdb, "-D", data, "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    _run(pg_ctl, "-D", data, "-w", "-t", START_SECONDS, "-l", folder / "log", "-o", options, "start")
    try:
        yield f"postgresql://tester@127.0.0.1:{port}"
    finally:
        _run(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(address: str) -> Iterator[str]:
    """URL of a new, empty database of a server."""
    name = f"test_{secrets.token_hex(6)}"
    engine = create_engine(
        f"{address.replace('postgresql://', 'postgresql+psycopg://', 1)}/postgres", isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{address}/{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def _run(*words: object) -> None:
    """As the user `postgres` where this is root, as whom the server refuses to run."""
    command = [str(word) for word in words]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=START_SECONDS)


if __name__ == "__main__":
    installed = programs()
    if installed is None:
        raise SystemExit("PostgreSQL is not installed (Debian: apt install postgresql)")
    with server(installed) as running, database(running) as url:
        print(url, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
