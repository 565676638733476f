"""Fixtures of the tests of the process runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def pids(tmp_path: Path) -> Callable[[], list[int]]:
    """Reads the process ids that trials left in the folder `tmp_path / "pids"`."""
    folder = tmp_path / "pids"
    folder.mkdir()
    return lambda: sorted(int(each.name) for each in folder.iterdir())
