"""kill -9 of a whole batch in the middle of its searches: the same summary, and no finished trial is repeated.

    python tests/benchmarks/batch_kill.py --tasks 10 --kills 3 --out batch_kill.json

`autonet batch` runs small tasks of five tables, two at once. As soon as a search that is not over has finished a trial
since the start, and a random moment later, the process group is killed; the same command starts again until the kills
are used up, and then ends undisturbed. Required, beside a batch that was never killed:

* so many kills left a search with finished trials behind, for the next start to go on with; one that came too late for
  that is reported, and another one follows;
* the same summary, task by task, but for seconds;
* what has finished stays as it is: each trial's record and cost, and the file of each result; nothing is lost;
* one run a task in the store, complete, with as many trials as were asked for;
* no process of a killed batch lives on.

Exits with 1 where that does not hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import Output, parser, show

from metalearn import Store

TABLES = ("iris", "wine", "breast_cancer", "diabetes", "digits")
FAMILIES = (["linear"], ["linear", "gradient_boosting"])
JOBS = 2
STORE = "runs.db"
LINGER = 30.0
"""Seconds that what a killed process has started may take to end."""
POLL, LATER = 0.02, 0.1
"""Seconds between two looks at the store, and by which a kill comes later at most."""
State = dict[str, str]
"""What has finished → all that is recorded of it, as text: seconds of trials included."""


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes
    ----------
    after: seconds from the start of the command.
    results, trials: tasks with a result, and finished trials in the store, at that moment.
    under_way: finished trials of searches that were not over.
    changed, lost: what had finished before this start and is not as it was, or is gone.
    left_over: processes of the batch that are alive after `LINGER`.
    """

    after: float
    results: int
    trials: int
    under_way: int
    changed: tuple[str, ...]
    lost: tuple[str, ...]
    left_over: int

    @property
    def passed(self) -> bool:
        return not (self.changed or self.lost or self.left_over)


def write_tasks(folder: Path, count: int, n_trials: int) -> list[Path]:
    """So many task files: the tables in turn, and another set of families with every round of them."""
    folder.mkdir()
    paths = []
    for k in range(count):
        table, families = TABLES[k % len(TABLES)], FAMILIES[k // len(TABLES) % len(FAMILIES)]
        path = folder / f"{table}_{k}.toml"
        lines = [f'data = "sklearn:{table}"', f"families = {json.dumps(families)}", f"n_trials = {n_trials}"]
        # One worker a task: with a number of trials, such a search is the same bit for bit. No advice from other runs,
        # which would depend on what had finished when a task began.
        path.write_text("\n".join([*lines, "n_jobs = 1", "warm_start = []", f"random_state = {k}"]), encoding="utf-8")
        paths.append(path)
    return paths


def start(tasks: Sequence[Path], folder: Path) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    command = [sys.executable, "-m", "automl", "batch", *map(str, tasks), "--jobs", str(JOBS), "--out", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)


def kill(process: subprocess.Popen[bytes]) -> int:
    """End the process group with SIGKILL; how many processes below it live on."""
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(psutil.wait_procs(below, timeout=LINGER)[1])


def finished_trials(store: Store, *, under_way: bool = False) -> State:
    """Trials that have finished, of all searches or of those that are not over."""
    runs = [run for run in store.runs() if not (under_way and run.finished)]
    over = {run.id: [record for record in store.trials(run) if record.state != "running"] for run in runs}
    return {f"run {run}, trial {each.number}": repr(astuple(each)) for run, records in over.items() for each in records}


def wait_for_progress(process: subprocess.Popen[bytes], folder: Path, before: State) -> int | None:
    """Wait until a search that is not over has finished a trial that was not before, or for the process's exit code."""
    while not (folder / STORE).exists():
        if process.poll() is not None:
            return process.returncode
        time.sleep(POLL)
    with Store(f"sqlite:///{folder / STORE}") as store:
        while process.poll() is None and finished_trials(store, under_way=True).keys() <= before.keys():
            time.sleep(POLL)
    return process.returncode


def finished(folder: Path) -> tuple[State, State, int]:
    """Results and trials that have finished, and how many of the trials are of searches that are not over."""
    results = {
        path.parent.name: f"{path.stat().st_mtime_ns} {path.read_text(encoding='utf-8')}"
        for path in folder.glob("*/result.json")
    }
    with Store(f"sqlite:///{folder / STORE}") as store:
        return results, finished_trials(store), len(finished_trials(store, under_way=True))


def summary(folder: Path) -> list[dict[str, Any]]:
    """What summary.json says of each task, but for seconds."""
    tasks = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["tasks"]
    for task in tasks:
        task.pop("seconds")
        task["curve"] = [loss for _, loss in task["curve"]]
    return list(tasks)


def whole(folder: Path, count: int, n_trials: int) -> bool:
    """Whether the store holds one complete run a task, each with as many trials as were asked for."""
    with Store(f"sqlite:///{folder / STORE}") as store:
        runs = store.runs()
        trials = [len(store.trials(run)) for run in runs]
        clean = not store.problems()
    return clean and trials == [n_trials] * count and all(run.finished for run in runs)


def run_kills(place: Path, count: int, n_trials: int, kills: int, seed: int) -> tuple[list[Kill], dict[str, Any]]:
    """Kill a batch of so many tasks, and compare it with one that was left alone; see the top of this file."""
    rng = np.random.default_rng(seed)
    tasks = write_tasks(place / "tasks", count, n_trials)
    undisturbed, killed = place / "undisturbed", place / "killed"
    began = time.monotonic()
    if start(tasks, undisturbed).wait() != 0:
        raise RuntimeError(f"the undisturbed batch failed: {summary(undisturbed)}")
    seconds = time.monotonic() - began
    found: list[Kill] = []
    before: State = {}
    while True:
        began = time.monotonic()
        process = start(tasks, killed)
        hit = sum(each.under_way > 0 for each in found)
        if hit == kills or wait_for_progress(process, killed, before) is not None:
            code = process.wait()
            break
        time.sleep(float(rng.uniform(0, LATER)))
        after, left_over = time.monotonic() - began, kill(process)
        results, trials, under_way = finished(killed)
        changed, lost = differences(before, results | trials)
        found.append(Kill(after, len(results), len(trials), under_way, changed, lost, left_over))
        before = results | trials
    results, trials, _ = finished(killed)
    changed, lost = differences(before, results | trials)
    expected, got = summary(undisturbed), summary(killed)
    facts = {
        "tasks": count,
        "kills": len(found),
        "kills_under_way": hit,
        "seconds_undisturbed": seconds,
        "code": code,
        "changed": changed,
        "lost": lost,
        "whole": whole(killed, count, n_trials),
        "same_summary": got == expected,
        "differing": [a["name"] for a, b in zip(got, expected, strict=True) if a != b],
    }
    right = code == 0 and not changed and not lost and facts["whole"] and facts["same_summary"] and hit == kills
    return found, facts | {"passed": right and all(each.passed for each in found)}


def differences(before: State, after: State) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What changed, and what is gone."""
    changed = tuple(name for name, text in before.items() if after.get(name, text) != text)
    return changed, tuple(name for name in before if name not in after)


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--tasks", type=int, default=10)
    made.add_argument("--kills", type=int, default=3)
    made.add_argument("--n-trials", type=int, default=6)
    args = made.parse_args()
    output = Output(args.out)
    with tempfile.TemporaryDirectory(prefix="batch-kill-") as name:
        kills, facts = run_kills(Path(name), args.tasks, args.n_trials, args.kills, args.seed)
    for each in kills:
        output.add({**asdict(each), "passed": each.passed})
    show("Kills", output.rows, list(output.rows[0]) if output.rows else [])
    show("The batch", [facts], list(facts))
    output.write(**facts)
    return int(not facts["passed"])


if __name__ == "__main__":
    sys.exit(main())
