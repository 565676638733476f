"""One process at a time works on a run that is kept in a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl.errors import AutoNetError

_OWNER = "owner.json"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Claim the folder of a run; a claim of a process that was killed does not count.

    Raises
    ------
    AutoNetError: another process works on the run.
    """
    import psutil

    path = folder / _OWNER
    owner = _read(path)
    if owner is not None and owner[0] != os.getpid() and _lives(*owner):
        raise AutoNetError(
            f"process {owner[0]} is working on this run in {folder}; wait for it to end, or use another random_state "
            "or store"
        )
    part = path.with_name(f"{_OWNER}.{os.getpid()}")
    part.write_text(json.dumps([os.getpid(), psutil.Process().create_time()]))
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def is_claimed(folder: Path) -> bool:
    """Whether a process that lives works on the run of this folder."""
    owner = _read(folder / _OWNER)
    return owner is not None and _lives(*owner)


def _read(path: Path) -> tuple[int, float] | None:
    try:
        pid, began = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return int(pid), float(began)


def _lives(pid: int, began: float) -> bool:
    """Whether the process that wrote the claim still runs; its number may have been given to another one."""
    import psutil

    try:
        return abs(psutil.Process(pid).create_time() - began) < 1.0
    except psutil.NoSuchProcess:
        return False
