"""kill -9 at random moments: nothing finished is repeated or lost. The benchmark does it more often."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kill.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
def test_a_killed_search_repeats_and_loses_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "2", "--n-trials", "6"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
