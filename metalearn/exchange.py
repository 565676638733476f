"""Stores as text, to carry what was learned elsewhere: JSON lines, each a task or a finished run with its trials."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from metalearn.errors import StoreError
from metalearn.records import Run, TaskRecord, TrialRecord
from metalearn.store import Store

FORMAT = 1
_HEAD = "metalearn"


def export_store(store: Store, path: Path) -> int:
    """Write all tasks and finished runs to a file; the number of runs."""
    part = path.with_name(path.name + ".part")
    runs = [run for run in store.runs() if run.finished]
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps({_HEAD: FORMAT}) + "\n")
        for task in store.tasks():
            file.write(json.dumps({"task": asdict(task)}) + "\n")
        for run in runs:
            about = {**asdict(run), "created": run.created.isoformat()}
            trials = [_plain(trial) for trial in store.trials(run)]
            file.write(json.dumps({"run": about, "trials": trials}) + "\n")
    part.replace(path)
    return len(runs)


def import_store(store: Store, path: Path) -> int:
    """Take in what a file holds and the store does not have yet; the number of runs that are new.

    Raises
    ------
    StoreError: the file is none of `export_store`, damaged, or of a newer format; nothing was taken in then.
    """
    found = list(_read(path))  # all of it is checked before anything is written
    tasks = [item for item in found if isinstance(item, TaskRecord)]
    return store.take_in(tasks, [item for item in found if not isinstance(item, TaskRecord)])


def merge_stores(store: Store, other: Store) -> int:
    """Take in what another store holds and this one does not have yet; the number of runs that are new."""
    return store.take_in(other.tasks(), ((run, other.trials(run)) for run in other.runs() if run.finished))


def _plain(trial: TrialRecord) -> dict[str, Any]:
    """A trial in JSON, which knows no infinity; of an error only its type, since its words may quote the data."""
    last = trial.error.strip().rpartition("\n")[2].partition(":")[0]
    curve = [[share, _finite(loss)] for share, loss in trial.curve]
    return {**asdict(trial), "loss": _finite(trial.loss), "curve": curve, "artefact": None, "error": last}


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None


def _loss(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _read(path: Path) -> Iterator[TaskRecord | tuple[Run, list[TrialRecord]]]:
    rule = "an export of a store is JSON lines, the first of which names its format"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        head = json.loads(lines[0])[_HEAD]
    except (UnicodeDecodeError, json.JSONDecodeError, LookupError, TypeError) as error:
        raise StoreError(f"{path} is no export of a store ({error!r}); {rule}; name another file") from error
    if head != FORMAT:
        raise StoreError(f"{path} has the format {head!r}, and this program reads {FORMAT}; upgrade the program")
    for number, line in enumerate(lines[1:], start=2):
        try:
            yield _item(json.loads(line))
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"{path}, line {number}: damaged ({error!r}); nothing was taken in; export anew"
            ) from error


def _item(content: dict[str, Any]) -> TaskRecord | tuple[Run, list[TrialRecord]]:
    if "task" in content:
        return TaskRecord(**content["task"])
    about = {**content["run"], "created": datetime.fromisoformat(content["run"]["created"])}
    return Run(**about), [_trial(trial) for trial in content["trials"]]


def _trial(content: dict[str, Any]) -> TrialRecord:
    curve = tuple((float(share), _loss(loss)) for share, loss in content["curve"])
    return TrialRecord(**{**content, "loss": _loss(content["loss"]), "curve": curve})
