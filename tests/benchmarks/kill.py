"""kill -9 at random moments: what a store remembers of a search that dies again and again.

    python tests/benchmarks/kill.py --kills 20 --out kill.json

A child process fits with a store and is killed at a random moment; the same call starts again until the kills are used
up, and then ends undisturbed. When a search completes before that, the next one begins with the next seed. Required:

* what has finished stays as it is: record, loss, cost and files, so it was not run twice; nothing is lost;
* no process of a killed search lives on;
* the last call returns a model that predicts the same as that of an undisturbed search with the same seed, trial by
  trial.

Exits with 1 where that does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from common import Output, autonet, parser, show

JOBS = 2
FIT, DONE = "fit", "done"
"""What the child prints when it is about to fit, and when its predictions are written."""
LINGER = 30.0
"""Seconds that what a killed process has started may take to end: an import under way ends first."""


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes
    ----------
    after: seconds from the call of `fit`. finished, running: trials in the store at that moment.
    changed, lost: numbers of trials that had finished before this start and are not as they were, or are gone.
    lingered: seconds until no process of the killed search was alive. left_over: those alive after `LINGER`.
    """

    seed: int
    after: float
    finished: int
    running: int
    changed: tuple[int, ...]
    lost: tuple[int, ...]
    lingered: float
    left_over: int

    @property
    def passed(self) -> bool:
        return not (self.changed or self.lost or self.left_over)


@dataclass(frozen=True)
class Round:
    """One search from its first start to its end, beside an undisturbed one with the same seed.

    Attributes
    ----------
    trials: in the store at the end. changed, lost: as in `Kill`, of the last start.
    same_trials, same_predictions: as those of the undisturbed search; difference: the largest of the predictions.
    parts_at: the first trial that differs.
    closed: whether the store holds exactly one run, marked as finished.
    """

    seed: int
    starts: int
    trials: int
    changed: tuple[int, ...]
    lost: tuple[int, ...]
    same_trials: bool
    same_predictions: bool
    difference: float
    closed: bool
    parts_at: int | None

    @property
    def passed(self) -> bool:
        return self.same_trials and self.same_predictions and self.closed and not (self.changed or self.lost)


@dataclass
class Report:
    """All kills and rounds."""

    kills: list[Kill] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.rounds) and all(k.passed for k in self.kills) and all(r.passed for r in self.rounds)


# The child


def child(folder: Path, n_trials: int, seed: int) -> None:
    """Fit with the store in the folder, and leave the predictions there."""
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    store = f"sqlite:///{folder / 'runs.db'}"
    model = autonet(True, n_trials=n_trials, random_state=seed, n_jobs=JOBS, store=store)
    print(FIT, flush=True)
    model.fit(X, y)
    np.save(folder / "predictions.npy", model.predict_proba(X))
    print(DONE, flush=True)


class Child:
    """A process that fits; it is past its imports when this returns."""

    def __init__(self, folder: Path, n_trials: int, seed: int) -> None:
        given = [sys.executable, __file__, "--child", str(folder), "--n-trials", str(n_trials), "--seed", str(seed)]
        self.process = subprocess.Popen(given, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != FIT:
            raise RuntimeError(f"the child ended with code {self.process.wait()} before it fitted")
        self.began = time.monotonic()

    def ended_within(self, seconds: float | None) -> bool:
        """Whether it ends by itself in this time.

        Raises
        ------
        RuntimeError: it ended, but without its predictions.
        """
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        assert self.process.stdout is not None
        if code != 0 or self.process.stdout.read().strip() != DONE:
            raise RuntimeError(f"the child ended with code {code} and without predictions; its error stands above")
        return True

    def kill(self) -> tuple[float, int]:
        """End it with SIGKILL; seconds until all processes below it have ended, and how many live on."""
        below: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        killed = time.monotonic()
        alive = psutil.wait_procs(below, timeout=LINGER)[1]
        return time.monotonic() - killed, len(alive)


# What the store holds

Finished = dict[int, tuple[Any, ...]]


def in_store(folder: Path) -> tuple[Finished, int, bool]:
    """Finished trials by number with all that is recorded of them and the times of their files; trials that run;
    whether there is one run, which is complete."""
    from metalearn import Store

    if not (folder / "runs.db").exists():
        return {}, 0, False
    with Store(f"sqlite:///{folder / 'runs.db'}") as store:
        runs = store.runs()
        records = [record for run in runs for record in store.trials(run)]
    over = [r for r in records if r.state != "running"]
    # repr: NaN is equal to itself there, and floats only when all their digits are.
    found = {r.number: (repr(astuple(r)), _written(r.artefact)) for r in over}
    return found, len(records) - len(over), [run.finished for run in runs] == [True]


def _written(artefact: str | None) -> tuple[Any, ...] | None:
    """Names, times and sizes of a trial's files; None when it has none, or when a complete run has left none."""
    if artefact is None or not Path(artefact).is_dir():
        return None
    return tuple(sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in Path(artefact).iterdir()))


def outcomes(folder: Path) -> list[tuple[Any, ...]]:
    """What the trials of a complete run have to have in common with those of another: not their seconds."""
    from metalearn import Store

    with Store(f"sqlite:///{folder / 'runs.db'}") as store:
        records = store.trials(store.runs()[0])
    return [
        (r.number, repr(sorted(r.config.items())), r.budget, r.parent, r.seed, r.state, repr(r.loss)) for r in records
    ]


def _differences(before: Finished, after: Finished) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the finished trials that changed, and of those that are gone."""
    lost = tuple(n for n in before if n not in after)
    changed = tuple(n for n in before if n in after and _changed(before[n], after[n]))
    return changed, lost


def _changed(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    files = before[1] is not None and after[1] is not None and before[1] != after[1]
    return files or before[0] != after[0]


# The measurement


def run_kills(n_kills: int, n_trials: int, seed: int) -> Report:
    """Kill searches of this many trials at random moments; see the top of this file.

    Parameters
    ----------
    n_kills: in all. n_trials: of each search. seed: of the moments, and of the first search.
    """
    rng = np.random.default_rng(seed)
    report = Report()
    round_seed = seed
    while not report.rounds or len(report.kills) < n_kills:
        with tempfile.TemporaryDirectory(prefix="kill-") as name:
            _round(Path(name), n_kills, n_trials, round_seed, rng, report)
        round_seed += 1
    return report


def _round(place: Path, n_kills: int, n_trials: int, seed: int, rng: np.random.Generator, report: Report) -> None:
    undisturbed, folder = place / "undisturbed", place / "killed"
    undisturbed.mkdir()
    folder.mkdir()
    first, whole = _times(Child(undisturbed, n_trials, seed), undisturbed)
    # On average a start comes as far as a share of the search beyond its first result: kills fall into all of it.
    window = 2 * (first + (whole - first) / max(1, n_kills))
    starts, before = 0, Finished()
    while True:
        starts += 1
        started = Child(folder, n_trials, seed)
        left = len(report.kills) < n_kills
        if started.ended_within(float(rng.uniform(0, window)) if left else None):
            break
        after = time.monotonic() - started.began
        lingered, left_over = started.kill()
        finished, running, _ = in_store(folder)
        changed, lost = _differences(before, finished)
        report.kills.append(Kill(seed, after, len(finished), running, changed, lost, lingered, left_over))
        before = finished
    finished, _, closed = in_store(folder)
    changed, lost = _differences(before, finished)
    expected, got = outcomes(undisturbed), outcomes(folder)
    parts = next((n for n, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), None)
    a, b = (np.load(each / "predictions.npy") for each in (undisturbed, folder))
    same, difference = bool(np.array_equal(a, b)), float(np.abs(a - b).max())
    ended = Round(seed, starts, len(got), changed, lost, expected == got, same, difference, closed, parts)
    report.rounds.append(ended)


def _times(started: Child, folder: Path) -> tuple[float, float]:
    """Seconds from the call of `fit` to its first finished trial, and to its end."""
    first = None
    while not started.ended_within(0.2):
        if first is None and in_store(folder)[0]:
            first = time.monotonic() - started.began
    whole = time.monotonic() - started.began
    return (whole if first is None else first), whole


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--kills", type=int, default=20)
    made.add_argument("--n-trials", type=int, default=25)
    made.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = made.parse_args()
    if args.child is not None:
        child(args.child, args.n_trials, args.seed)
        return 0
    output = Output(args.out)
    report = run_kills(args.kills, args.n_trials, args.seed)
    for kill in report.kills:
        output.add({**asdict(kill), "passed": kill.passed})
    rounds = [{**asdict(each), "passed": each.passed} for each in report.rounds]
    show("Kills", output.rows, list(output.rows[0]) if output.rows else [])
    show("Searches", rounds, list(rounds[0]))
    output.write(rounds=rounds, passed=report.passed)
    return int(not report.passed)


if __name__ == "__main__":
    sys.exit(main())
