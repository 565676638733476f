"""Tables of OpenML that scikit-learn has fetched before; nothing is fetched here.

Vanschoren, van Rijn, Bischl and Torgo 2013, "OpenML: networked science in machine learning". Scikit-learn keeps what
`fetch_openml` has read as gzipped files in a folder that mirrors the server's paths.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from automl.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

API = "api/v1/json/data"


def openml_table(which: str) -> tuple[pd.DataFrame, str]:
    """The table with this number or name on OpenML, and the column that is its target there.

    Parameters
    ----------
    which: "31" or "credit-g"; of several versions with one name, the one of the greatest number.

    Raises
    ------
    DataError: scikit-learn's cache does not hold the table, or the table has no single target.
    """
    from sklearn.datasets import fetch_openml, get_data_home

    home = Path(get_data_home()) / "openml" / "openml.org"
    cached = {number: about["name"] for number, about in _descriptions(home).items() if _complete(home, number, about)}
    fitting = [number for number, name in cached.items() if which in (str(number), name)]
    if not fitting:
        call = f"data_id={which}" if which.isdecimal() else f"name={which!r}"
        known = ", ".join(f"{name} ({number})" for number, name in sorted(cached.items())) or "none"
        raise DataError(
            f"the OpenML table {which!r} is not among those that scikit-learn keeps in {home} ({known}); fetch it: "
            f'python -c "from sklearn.datasets import fetch_openml; fetch_openml({call}, as_frame=True)"'
        )
    found = fetch_openml(data_id=max(fitting), as_frame=True, parser="auto")
    targets = found.target_names
    if len(targets) != 1:
        raise DataError(f"the OpenML table {which!r} has {len(targets)} targets {targets}; give one with a single one")
    return found.frame, str(targets[0])


def _descriptions(home: Path) -> dict[int, Any]:
    """What is cached of the tables' descriptions, by their numbers."""
    files = [path for path in (home / API).glob("*.gz") if path.stem.isdecimal()]
    return {int(path.stem): json.loads(gzip.decompress(path.read_bytes()))["data_set_description"] for path in files}


def _complete(home: Path, number: int, about: Any) -> bool:
    """Whether every file that `fetch_openml` reads is there, so that it asks no server."""
    needed = [f"{API}/features/{number}", f"{API}/qualities/{number}", urlparse(about["url"]).path.strip("/")]
    return all((home / f"{path}.gz").is_file() for path in needed)
