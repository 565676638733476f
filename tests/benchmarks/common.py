"""What the benchmark scripts share: tables, scores, facts of the machine, printed tables and JSON files.

The data folder comes from `--data` or the environment variable AUTONET_DATA:

    tabular.tsv            name, task (classification or regression), rows, features, … of each table
    tabular/NAME.parquet   the table, column `target`
    peers/NAME.csv, .json  tables as other systems saw them: target `__y__`, `cat` lists the categorical columns
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from scipy.stats import rankdata
from sklearn.datasets import make_classification
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

PACKAGES = (
    "autonet",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "torch",
    "torchvision",
    "ConfigSpace",
    "hpbandster",
    "optuna",
    "smac",
)
WIDEST = 60
"""Characters of a printed cell; the JSON file has all of them."""
TARGET, PEER_TARGET = "target", "__y__"
PEER_NAMES = {"magic": "magic_telescope"}
"""Tables that other systems saw by another name."""


# Command line


def parser(doc: str | None, *, data: bool = True) -> argparse.ArgumentParser:
    """A parser with the options that all scripts have."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, help="JSON file to write")
    made.add_argument("--seed", type=int, default=0, help="random_state of the systems; the split is always that of 0")
    if data:
        made.add_argument("--data", type=Path, help="data folder; default: AUTONET_DATA")
    return made


def add_settings(made: argparse.ArgumentParser) -> None:
    made.add_argument("--settings", type=json.loads, default={}, help="more parameters of the estimator, as JSON")


def data_folder(args: argparse.Namespace) -> Path:
    """The data folder that the command line or the environment names; ends the script if there is none."""
    named = args.data or os.environ.get("AUTONET_DATA")
    if not named or not Path(named).is_dir():
        sys.exit(f"no data folder: {named!r}; name one with --data or AUTONET_DATA")
    return Path(named).absolute()


# Tables


def load_table(folder: Path, name: str) -> tuple[pd.DataFrame, np.ndarray, bool]:
    """X, y, and whether y are labels."""
    with (folder / "tabular.tsv").open(newline="") as file:
        tasks = {line["name"]: line["task"] for line in csv.DictReader(file, delimiter="\t")}
    if name not in tasks:
        sys.exit(f"no table {name!r} in {folder / 'tabular.tsv'}")
    frame = pd.read_parquet(folder / "tabular" / f"{name}.parquet")
    labels = tasks[name] == "classification"
    y = frame.pop(TARGET)
    return frame, np.asarray(y.astype(str), dtype=object) if labels else y.to_numpy(np.float64), labels


@contextmanager
def known_elsewhere(folder: Path, name: str) -> Iterator[str]:
    """A file with the shipped knowledge of tables of other groups: none is judged by what it taught itself."""
    from metalearn.knowledge import shipped

    with (folder / "tabular.tsv").open(newline="") as file:
        groups = {line["name"]: line["group"] for line in csv.DictReader(file, delimiter="\t")}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "knowledge.json.gz"
        shipped().without([groups[PEER_NAMES.get(name, name)]]).write(path)
        yield str(path)


def load_peer(folder: Path, name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """X and labels of a table as other systems saw it: categories as text, only empty cells are missing."""
    path = folder / "peers" / name
    kinds = json.loads(path.with_suffix(".json").read_text())["cat"]
    types = dict.fromkeys([*kinds, PEER_TARGET], str)
    frame = pd.read_csv(path.with_suffix(".csv"), dtype=types, keep_default_na=False, na_values=[""])
    y = frame.pop(PEER_TARGET)
    return frame, np.asarray(y, dtype=object)


def split(X: pd.DataFrame, y: np.ndarray, labels: bool) -> list[Any]:
    """Training X, test X, training y, test y: 75/25, stratified for labels, always the same."""
    parts: list[Any] = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y if labels else None)
    return parts


def generated(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Always the same table of two classes: a fifth of the columns matter, a tenth of the labels are random."""
    X, y = make_classification(rows, columns, n_informative=columns // 5, flip_y=0.1, random_state=0)
    return X, y


# Scores


def score(model: Any, X: pd.DataFrame, y: np.ndarray, labels: bool) -> dict[str, float]:
    """Loss (log loss or RMSE), accuracy or R² as `score`, and seconds of one prediction of all rows."""
    began = time.perf_counter()
    predicted = model.predict_proba(X) if labels else model.predict(X)
    seconds = time.perf_counter() - began
    return {**scored(predicted, model.classes_ if labels else None, y), "predict_seconds": seconds}


def scored(predicted: np.ndarray, known: Sequence[Any] | np.ndarray | None, y: np.ndarray) -> dict[str, float]:
    """Loss and score of values, or of probabilities of the labels that the model knows."""
    if known is None:
        return {"test_loss": math.sqrt(mean_squared_error(y, predicted)), "score": float(r2_score(y, predicted))}
    # A rare label may have no training row: its probability is 0, which the log loss clips.
    named = np.asarray(known, dtype=y.dtype)
    classes = np.union1d(named, y)
    whole = np.zeros((len(predicted), len(classes)))
    whole[:, np.searchsorted(classes, named)] = predicted
    best = named[predicted.argmax(axis=1)]
    return {"test_loss": float(log_loss(y, whole, labels=classes)), "score": float(accuracy_score(y, best))}


def ranks(rows: Sequence[Mapping[str, Any]], systems: Sequence[str]) -> list[dict[str, Any]]:
    """Ranks by test loss on the tables of which all these systems have a row, and their means.

    Systems without a loss, because they failed or were stopped, share the last ranks.
    """
    found: list[dict[str, Any]] = []
    for table in dict.fromkeys(r["table"] for r in rows):
        own = {r["system"]: r.get("test_loss") for r in rows if r["table"] == table}
        if own.keys() >= set(systems):
            losses = [math.inf if own[s] is None else own[s] for s in systems]
            found.append({"table": table, **dict(zip(systems, rankdata(losses).tolist(), strict=True))})
    means = {s: float(np.mean([row[s] for row in found])) for s in systems} if found else {}
    return [*found, {"table": f"mean of {len(found)}", **means}]


def autonet(labels: bool, **parameters: Any) -> Any:
    """Our estimator for labels or values."""
    from automl import AutoNetClassifier, AutoNetRegressor

    return (AutoNetClassifier if labels else AutoNetRegressor)(**parameters)


def epochs(model: Any) -> dict[str, Any]:
    """Passes over the training rows of the networks in a fitted ensemble of ours.

    A member is a trial; what is counted is its own epochs up to its budget, those of the trials that it went on from
    included. Its folds are trained side by side, each on its share of the rows, and count as one: the most of any.
    """
    history = model.history_
    counts = [len(history[trial].result.curve) for trial in model.ensemble_.trials if history[trial].result.curve]
    return {"networks": len(counts), "epochs": sum(counts), "epochs_most": max(counts, default=0)}


def states(history: Any) -> dict[str, int]:
    """Number of trials by state."""
    return dict(Counter(t.state.value for t in history))


# Processes


def fresh(function: Callable[..., Any], *args: Any, watch: Callable[[int], Any] | None = None) -> Any:
    """What the function returns in a new interpreter, where nothing is warm from an earlier call.

    Parameters
    ----------
    watch: given the pid before the function starts; what it returns is called when the function has ended.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pid = pool.submit(os.getpid).result()
        stop = watch(pid) if watch is not None else None
        try:
            return pool.submit(function, *args).result()
        finally:
            if stop is not None:
                stop()


def reason(error: BaseException) -> str:
    """An exception on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def attempt(function: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The row that the function returns; what it raises, as `error`: one table must not end a run of hours."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        traceback.print_exc()
        return {"error": reason(error)}


# Machine


def machine() -> dict[str, Any]:
    """What a measurement depends on."""
    import torch

    return {
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "model": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(),
        "load": [round(x, 2) for x in psutil.getloadavg()],
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# Output


class Output:
    """The JSON file of a script; written anew with every row, so that an interrupted run keeps what it has.

    Parameters
    ----------
    path: None writes nothing.
    continues: what all rows of the file have in common. A file that is there already is then gone on with, if it was
        measured in the same way; without it, the file is overwritten.
    """

    def __init__(self, path: Path | None, continues: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        # The load before the measurement tells whether the machine was idle.
        self._head: dict[str, Any] = {
            "command": " ".join(["python", *(_short(a) for a in sys.argv)]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": fresh(machine),  # elsewhere, because it imports torch
            "versions": versions(),
        }
        say(
            "{date}: {machine[cpus_usable]} of {machine[cpus]} cores, {machine[memory_gib]} GiB, "
            "load {machine[load]}".format(**self._head)
        )
        if continues is not None:
            self._head["conditions"] = _plain(continues)
            if path is not None and path.exists():
                self._go_on(json.loads(path.read_text()))

    def _go_on(self, earlier: dict[str, Any]) -> None:
        if earlier.get("conditions") != self._head["conditions"]:
            sys.exit(f"{self.path} was measured with {earlier.get('conditions')}, this is {self._head['conditions']}")
        self.rows = earlier["rows"]
        self._head["before"] = [*earlier.get("before", ()), {k: earlier[k] for k in ("command", "date", "machine")}]

    def add(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))
        self.write()

    def write(self, **more: Any) -> None:
        if self.path is not None:
            text = json.dumps(_plain({**self._head, "rows": self.rows, **more}), indent=1, ensure_ascii=False)
            self.path.write_text(text + "\n")


def _short(argument: str) -> str:
    """An argument without the folders of this machine."""
    return Path(argument).name if argument.startswith(("/", "~")) else argument


def _plain(value: Any) -> Any:
    """JSON has neither infinity nor NaN: they become null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def say(text: str) -> None:
    """Print at once: a run of hours is watched through a pipe."""
    print(text, flush=True)


def show(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print aligned columns; numbers to the right, absent values as –."""
    if not rows:
        return
    cells = [[_cell(row.get(c)) for c in columns] for row in rows]
    right = [all(isinstance(r.get(c), int | float | None) for r in rows) for c in columns]
    wide = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]
    print(f"\n{title}")
    for line in [list(columns), *cells]:
        text = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, wide, right, strict=True))
        print("  ".join(text).rstrip())
    sys.stdout.flush()


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "NO"
    if isinstance(value, Mapping):
        return ", ".join(f"{n} {k}" for k, n in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def markdown(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table for RESULTS.md."""
    rule = ["---"] * len(columns)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *lines))


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))
