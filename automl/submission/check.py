"""A trial of an archive where nothing of us is installed: unpacked in an empty folder, run on a toy, looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from automl.submission.compete import read_all
from automl.submission.platforms import CALLED, STARTED
from automl.submission.problem import Format, Settings

START = 60.0
"""Seconds for the imports of an organisers' program, before its budget counts."""
GRACE = 5.0
"""Seconds beyond the budget after which a run that has not ended is killed, and counts as late."""
PASSED_ON = ("HOME", "LANG", "PATH", "SYSTEMROOT", "TMPDIR", "TEMP")
"""Environment variables that a clean one has."""


@dataclass(frozen=True)
class Verdict:
    """What a trial showed.

    Attributes
    ----------
    faults: what is wrong; nothing where there is none.
    seconds: that the run took.
    files: what was written.
    log: what the run said.
    """

    faults: tuple[str, ...]
    seconds: float
    files: tuple[str, ...]
    log: str


def check_archive(archive: Path, chosen: Format, settings: Settings, seconds: float) -> Verdict:
    """Run an archive on a toy input of its format under a budget, in a folder and an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="autonet-check-") as name:
        folder = Path(name)
        program, source, output = folder / "program", folder / "input", folder / "output"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(program)
        chosen.toy(source)
        output.mkdir()
        began = time.time()
        late, code, log, started = _run(settings.format, program, source, output, seconds)
        began = started or began
        took = time.time() - began
        faults = [f"it was still running long after its {seconds:g} s"] if late else []
        if code:
            faults.append(f"it ended with exit code {code}")
        for problem in read_all(chosen, source, settings.metric, faults.append):
            faults += chosen.faults(source, problem, output)
        written = sorted(path for path in output.rglob("*") if path.is_file())
        faults += [f"{p.name} was written after the budget" for p in written if p.stat().st_mtime > began + seconds]
        return Verdict(tuple(faults), took, tuple(p.name for p in written), log)


def _run(form: str, program: Path, source: Path, output: Path, seconds: float) -> tuple[bool, int, str, float | None]:
    """Whether it was late, its exit code, what it said, and when its budget began to count, if it says so."""
    clean = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    places = [str(source), str(output)]
    command = [sys.executable, str(program / "run.py"), *places, str(program)]
    if form in CALLED:
        clean["PYTHONPATH"] = str(program / "lib")
        command = [sys.executable, "-m", "automl.submission.platforms", form, str(program), *places, str(seconds)]
    try:
        done = subprocess.run(
            command,
            cwd=source.parent,
            env=clean,
            capture_output=True,
            text=True,
            check=False,
            timeout=START + seconds + GRACE,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stderr or b""
        return True, 0, said.decode(errors="replace") if isinstance(said, bytes) else said, None
    found = re.search(rf"^{STARTED} ([\d.]+)$", done.stdout, re.MULTILINE)
    return False, done.returncode, done.stderr, float(found.group(1)) if found else None
