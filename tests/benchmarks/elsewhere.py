"""Fits by other environments: a script of this folder in another interpreter, which may be stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
LAST = 2000
"""Characters of a script's standard error that are printed when it fails."""


def ask(
    python: Path,
    script: str,
    parts: Mapping[str, tuple[pd.DataFrame, np.ndarray]],
    job: dict[str, Any],
    *,
    threads: int,
    limit: float | None = None,
    watch: Callable[[int], Callable[[], None]] | None = None,
) -> dict[str, Any]:
    """What a script of this folder answers, run by this interpreter; side.py is what it reads the job with.

    Parameters
    ----------
    parts: columns and targets of "train", "test", …; their rows keep their order.
    job: what the script is told besides the table; must hold `labels`.
    threads: of OpenMP, in whatever library there.
    limit: seconds after which the script and all that it started is killed.
    watch: given its pid when it starts; what it returns is called when it has ended.

    Raises
    ------
    subprocess.TimeoutExpired: the limit was reached. RuntimeError: the script failed.
    """
    with tempfile.TemporaryDirectory() as name:
        table, description, answer = Path(name, "table.parquet"), Path(name, "job.json"), Path(name, "answer.json")
        frames = [_plain(X).assign(target=y, part=part) for part, (X, y) in parts.items()]
        pd.concat(frames, ignore_index=True).to_parquet(table)
        description.write_text(json.dumps({**job, "table": str(table)}))
        started = subprocess.Popen(
            [python, FOLDER / script, description],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=name,
            # Threads that wait actively take the cores from those that work, if anything else runs.
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
            start_new_session=True,
        )
        stop = watch(started.pid) if watch is not None else None
        try:
            _, errors = started.communicate(timeout=limit)
        finally:
            if stop is not None:
                stop()
            with contextlib.suppress(ProcessLookupError):  # nothing of it is left
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
        if started.returncode:
            print(errors[-LAST:], file=sys.stderr)
            raise RuntimeError(errors.strip().splitlines()[-1])
        found: dict[str, Any] = json.loads(answer.read_text())
        return found


def has(python: Path, module: str) -> bool:
    """Whether an interpreter finds a module."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def _plain(X: pd.DataFrame) -> pd.DataFrame:
    """Names that every library takes, and categories as text."""
    renamed = X.set_axis([f"c{i}" for i in range(X.shape[1])], axis=1)
    texts = [c for c in renamed if not pd.api.types.is_numeric_dtype(renamed[c])]
    return renamed.assign(**{c: renamed[c].astype(object).map(str, na_action="ignore") for c in texts})
