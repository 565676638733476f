"""The archive that is handed in: an entry point at the top, our packages as source in `lib`, nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import automl
from automl.errors import SettingError
from automl.settings import folder
from automl.submission.problem import Format, Settings

MOST_BYTES = 300 * 2**20
"""Largest archive that AutoDL takes, which is the tightest limit of all formats."""
DATE = (2020, 1, 1, 0, 0, 0)
"""Of all entries, so that the same contents give the same archive."""
READABLE = 0o644
"""Mode of all entries: whoever runs them may be another user than who unpacked them."""
START = """\
import os
import sys

# Numerical libraries read this when they are loaded; on a machine that is not idle more threads make them slower.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))
"""
RUN = (
    '"""python run.py INPUT OUTPUT [PROGRAM]: predicts all data sets of a folder, at any time and never late."""\n\n'
    + START
    + """
from automl.interrupts import terminations  # noqa: E402

with terminations() as asked:  # before all else is imported: who is asked to end by then still guesses
    from automl.submission.problem import Settings
    from automl.submission.run import main

    code = main(sys.argv[1:], {settings!r}, program=HERE, asked=asked)
sys.exit(code)
"""
)


def write_archive(
    path: Path, chosen: Format, settings: Settings, results: Mapping[str, bytes] | None = None
) -> tuple[str, ...]:
    """Write the archive; the names at its top.

    Parameters
    ----------
    results: name → content of predictions that go with the code, in the folder of the format's rules.

    Raises
    ------
    SettingError: it is larger than 300 MiB.
    """
    entries = {name: text.encode() for name, text in chosen.top(settings).items()} | dict(results or {})
    entries |= {f"lib/{name}": file.read_bytes() for name, file in _sources()}
    size = sum(map(len, entries.values()))
    if size > MOST_BYTES:
        raise SettingError(
            f"the archive would hold {size / 2**20:.0f} MiB, {MOST_BYTES >> 20} are allowed; leave data out"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, DATE)
            entry.external_attr = READABLE << 16
            archive.writestr(entry, entries[name], zipfile.ZIP_DEFLATED)
    part.replace(path)
    return tuple(sorted({name.partition("/")[0] for name in entries}))


def _sources() -> Iterator[tuple[str, Path]]:
    """Place in `lib` and file of everything that is needed of our packages."""
    root = Path(automl.__file__).parent.parent
    for package in ("automl", "metalearn"):
        for file in sorted((root / package).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(root)), file
    for file in sorted(folder("configs").rglob("*.toml")):
        yield f"automl/configs/{file.relative_to(folder('configs'))}", file
