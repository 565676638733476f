"""What an archive's entry point calls: finds the data, hands in ready results or competes, and always returns 0."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from automl.submission.catalogue import form
from automl.submission.compete import compete, read_all
from automl.submission.problem import Format, Settings

ELSEWHERE = Path("/app/input_data")
"""Where Codabench keeps the data, when the input that it names holds none."""
READY = "res"
"""Folder of an archive with predictions that are ready."""


def main(arguments: Sequence[str], settings: Settings, *, program: str, asked: Sequence[int] = ()) -> int:
    """Run in the place of the organisers' sample code.

    Parameters
    ----------
    arguments: INPUT OUTPUT …, or --input_dir=INPUT --output_dir=OUTPUT …
    program: the folder of the unpacked archive.
    asked: as of `compete`.
    """
    try:
        source, output = places(arguments)
        chosen = form(settings.format)
        if not _handed_in(chosen, source, Path(program) / READY, output):
            compete(source, output, settings, asked=asked)
    except Exception:
        traceback.print_exc(file=sys.stderr)
    return 0


def places(arguments: Sequence[str]) -> tuple[Path, Path]:
    """Input and output, by position or by name."""
    named = {}
    words = [word for argument in arguments for word in argument.split("=", 1)]
    for name, value in pairwise(words):
        if name.startswith("--"):
            named[name.strip("-")] = value
    plain = [a for a in arguments if not a.startswith("--")] if not named else []
    source = Path(named.get("input_dir") or (plain[0] if plain else "input"))
    output = Path(named.get("output_dir") or (plain[1] if len(plain) > 1 else "output"))
    has_data = source.is_dir() and any(True for _ in source.rglob("*_train.data"))
    return (ELSEWHERE if ELSEWHERE.is_dir() and not has_data else source), output


def _handed_in(chosen: Format, source: Path, ready: Path, output: Path) -> bool:
    """Copy predictions that came with the archive, if they are there and well-formed for all data sets."""
    if not ready.is_dir():
        return False
    problems = read_all(chosen, source, None, lambda line: None)
    if not problems or any(chosen.faults(source, problem, ready) for problem in problems):
        return False
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(ready.iterdir()):
        (output / path.name).write_bytes(path.read_bytes())
    return True
