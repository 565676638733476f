"""One process at a time works on a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from automl.claim import claimed
from automl.errors import AutoNetError


def test_a_run_that_another_process_works_on_is_refused_by_its_number(tmp_path: Path) -> None:
    other = psutil.Process(os.getppid())
    (tmp_path / "owner.json").write_text(json.dumps([other.pid, other.create_time()]))
    with pytest.raises(AutoNetError, match=f"process {other.pid} is working on this run"), claimed(tmp_path):
        pass


def test_a_claim_of_a_process_that_has_ended_does_not_count(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "owner.json").write_text(json.dumps([ended.pid, 0.0]))
    with claimed(tmp_path):
        assert json.loads((tmp_path / "owner.json").read_text())[0] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_claim_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("{")
    with claimed(tmp_path):
        assert (tmp_path / "owner.json").exists()
