"""kill -9 at random moments: nothing finished is repeated or lost. The benchmarks do it more often."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
def test_a_killed_search_repeats_and_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "kill.py"), "--kills", "2", "--n-trials", "6"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
def test_a_killed_batch_repeats_and_loses_nothing() -> None:
    words = ["--tasks", "3", "--kills", "2", "--n-trials", "6"]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "batch_kill.py"), *words], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
