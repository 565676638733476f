"""What a proposal costs: seconds per proposal of every method, and the share of time that workers idle.

Three tables:

* milliseconds per proposal at 100 random observations, each with one more than the last, so that models are trained as
  often as in a search: in 20 mixed conditional dimensions, and for cells of NAS-Bench-201. On the CPU the mean, which
  must stay below `MOST`, the median, and the largest, that of a proposal for which a model is trained; on the clock,
  which other work on the machine stretches, the median and the largest. Methods are asked as the full schedule asks
  them, so that proposals of what was tried, which are drawn again, count;
* BOHB against the unmodified class of hpbandster on the same observations, new observation included: at least 20 times
  less time is required;
* idle share of two workers on trials of one second, from the first trial's start to the last one's end, and of the
  whole call: at most 5 % of the former is required. Seven dimensions, so that models are in use early.

    python tests/benchmarks/proposals.py --out proposals.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ConfigSpace as cs
import numpy as np

from automl.genotypes.spaces import ChainSpace, EdgeCellSpace, joined
from automl.search.catalogue import METHODS
from automl.search.draw import sample
from automl.search.history import History
from automl.search.optimize import optimize
from automl.search.samplers.kde import KDE
from automl.search.schedules.full import Full
from automl.search.trial import Proposal, Result, State, Trial

MOST = {"arc-gp": 1.0, "nasbot": 2.0, "pnas": 2.0}
"""Method → seconds on the CPU that a proposal may take in the mean; `MOST_OTHERS` for all others."""
MOST_OTHERS = 0.05
LEAST_RATIO = 20
MOST_IDLE = 0.05


def mixed_space(dimensions: int) -> cs.ConfigurationSpace:
    """A space of which two in five hyperparameters are conditional; log, integer and categorical ones in turn."""
    space = cs.ConfigurationSpace(name="mixed")
    kind = cs.Categorical("kind", ["a", "b", "c"])
    space.add(kind)
    for i in range(1, dimensions):
        name = f"x{i}"
        hp = [
            cs.Float(name, (1e-4, 1.0), log=True),
            cs.Integer(name, (1, 64)),
            cs.Categorical(name, ["u", "v", "w"]),
            cs.Float(name, (0.0, 1.0)),
        ][i % 4]
        space.add(hp)
        if i % 5 in (3, 4):
            space.add(cs.EqualsCondition(hp, kind, "abc"[i % 3]))
    return space


def architecture_space() -> cs.ConfigurationSpace:
    """Chains of one to four layers, for methods that compare architectures."""
    return joined(ChainSpace(layers=(1, 4), dense=(0, 1)))


def loss(config: Mapping[str, Any]) -> float:
    """A smooth loss of whatever is active."""
    values = [v / 64 if isinstance(v, int) else len(k) / 9 if isinstance(v, str) else v for k, v in config.items()]
    return float(sum((v - 0.4) ** 2 for v in values)) / len(values)


def done(number: int, config: Mapping[str, Any], budget: float = 1.0) -> Trial:
    return Trial(number, Proposal(config, budget), number, Result(State.DONE, loss(config), 1.0))


def observed(space: cs.ConfigurationSpace, n: int) -> History:
    """`n` random trials at the full budget."""
    rng = np.random.default_rng(0)
    return History(tuple(done(i, sample(space, rng)) for i in range(n)))


@dataclass(frozen=True)
class Cost:
    """Milliseconds of proposals in a row: on the CPU, and on the clock."""

    cpu: list[float]
    wall: list[float]

    def line(self) -> str:
        """Mean, median and largest on the CPU; median and largest on the clock."""
        cpu, wall = np.array(self.cpu), np.array(self.wall)
        figures = (cpu.mean(), np.median(cpu), cpu.max(), np.median(wall), wall.max())
        return "".join(f"{figure:>9.1f}" for figure in figures)


def cost(method: str, space: cs.ConfigurationSpace, n: int, asks: int) -> Cost:
    """Cost of `asks` proposals in a row by a method's sampler, the first at `n` random observations."""
    line = METHODS[method]
    optimizer = Full(space, line.sampler(), 0, line.inherit)
    history = observed(space, n)
    optimizer.ask(observed(space, n - 1))  # imports, and what is learned from the first ones
    taken = Cost([], [])
    for _ in range(asks):
        clocks = time.process_time(), time.perf_counter()
        proposal = optimizer.ask(history)
        taken.cpu.append(1000 * (time.process_time() - clocks[0]))
        taken.wall.append(1000 * (time.perf_counter() - clocks[1]))
        history = history.put(done(len(history), proposal.config))
    return taken


def costs(space: cs.ConfigurationSpace, methods: list[str], n: int, asks: int) -> tuple[dict[str, Any], list[str]]:
    """Costs by method, printed, and the methods that take longer than they may."""
    print(f"{f'ms, {space.name}':<30}" + "".join(f"{w:>9}" for w in ("mean", "median", "max", "wall", "max")))
    found = {}
    for method in methods:
        found[method] = cost(method, space, n, asks)
        print(f"{method:<30}{found[method].line()}", flush=True)
    missed = [m for m, each in found.items() if np.mean(each.cpu) > 1000 * MOST.get(m, MOST_OTHERS)]
    return {method: asdict(each) for method, each in found.items()}, missed


def against_unmodified(space: cs.ConfigurationSpace, asks: int) -> dict[str, float]:
    """Seconds on the CPU per proposal of the model at 100 observations, ours and hpbandster's."""
    from hpbandster.optimizers.config_generators.bohb import BOHB

    full = observed(space, 100 + asks)
    theirs, ours = BOHB(space), KDE(random_fraction=0.0)
    theirs.random_fraction = 0.0
    taken: dict[str, list[float]] = {"ours": [], "unmodified": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for trial in full:
            job = SimpleNamespace(
                kwargs={"budget": trial.budget, "config": dict(trial.config)},
                result={"loss": trial.loss},
                exception=None,
            )
            start = time.process_time()
            theirs.new_result(job)
            if trial.number >= 100:
                theirs.get_config(1.0)
                taken["unmodified"].append(time.process_time() - start)
    for n in range(100, 101 + asks):
        history = History(full.trials[:n])
        start = time.process_time()
        ours(space, history, np.random.default_rng(n))
        taken["ours"].append(time.process_time() - start)
    result = {"ours": float(np.mean(taken["ours"][1:])), "unmodified": float(np.mean(taken["unmodified"]))}
    return result | {"ratio": result["unmodified"] / result["ours"]}


@dataclass(frozen=True)
class Sleep:
    """An objective that takes a fixed time and notes when; picklable."""

    folder: str
    seconds: float

    def __call__(self, config: Mapping[str, Any], budget: float, seed: int) -> float:
        start = time.time()
        time.sleep(self.seconds)
        note = Path(self.folder) / f"{os.getpid()}-{start}.json"
        note.write_text(json.dumps([start, time.time()]))
        return loss(config)


def idle_share(method: str, trials: int, seconds: float, n_jobs: int) -> dict[str, float]:
    """Share of the workers' time without a trial, while there were trials and over the whole call."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.time()
        optimize(
            Sleep(folder, seconds),
            architecture_space() if METHODS[method].architectures else mixed_space(7),
            method=method,
            n_trials=trials,
            min_budget=1,
            max_budget=27,
            seed=0,
            n_jobs=n_jobs,
        )
        whole = time.time() - begin
        spans = np.array([json.loads(note.read_text()) for note in Path(folder).iterdir()])
    busy = float((spans[:, 1] - spans[:, 0]).sum())
    search = float(spans[:, 1].max() - spans[:, 0].min())
    return {"search": 1 - busy / (n_jobs * search), "call": 1 - busy / (n_jobs * whole), "trials": len(spans)}


def main() -> int:
    """Measure, print, write the JSON; 1 if a requirement is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=sorted(METHODS), default=list(METHODS))
    parser.add_argument("--observations", type=int, default=100, help="random trials that come first")
    parser.add_argument("--asks", type=int, default=24, help="proposals timed for each figure")
    parser.add_argument("--trials", type=int, default=40, help="trials of each idle measurement; 0 leaves it out")
    parser.add_argument("--seconds", type=float, default=1.0, help="time of each of these trials")
    parser.add_argument("--jobs", type=int, default=2, help="workers of each idle measurement")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    report: dict[str, Any] = {"proposal": {}, "idle": {}, "missed": []}
    anywhere = [m for m in options.methods if not METHODS[m].architectures]
    full = [m for m in options.methods if METHODS[m].schedule == "full"]
    for space, methods in ((mixed_space(20), anywhere), (joined(EdgeCellSpace(), name="cells"), full)):
        report["proposal"][space.name], missed = costs(space, methods, options.observations, options.asks)
        report["missed"] += [f"{method}: a proposal for {space.name}" for method in missed]
        print()
    report["bohb"] = bohb = against_unmodified(mixed_space(20), min(options.asks, 8))
    print("BOHB's model at 100 observations: " + ", ".join(f"{k} {v:.4f}" for k, v in bohb.items()))
    if bohb["ratio"] < LEAST_RATIO:
        report["missed"].append("bohb: ratio")
    if options.trials:
        print(f"\n{'idle share of workers':<22}{'search':>10}{'call':>8}")
        for method in options.methods:
            report["idle"][method] = idle = idle_share(method, options.trials, options.seconds, options.jobs)
            print(f"{method:<22}{idle['search']:>10.1%}{idle['call']:>8.1%}", flush=True)
            if idle["search"] > MOST_IDLE:
                report["missed"].append(f"{method}: idle")
    if options.out:
        options.out.write_text(json.dumps(report, indent=1))
    missed = report["missed"]
    print("missed: " + ", ".join(missed) if missed else "all requirements met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
