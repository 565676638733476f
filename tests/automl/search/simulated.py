"""A runner in virtual time, and small spaces and objectives to search."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

import ConfigSpace as CS
import numpy as np

from automl.genotypes.spaces import ChainSpace, decode, joined
from automl.search.history import History
from automl.search.protocols import Optimizer
from automl.search.trial import Result, State, Trial


class SimulatedRunner:
    """Ends trials in the order of their virtual durations; no thread, no clock.

    Parameters
    ----------
    outcome: the result of a trial.
    duration: virtual seconds of a trial.
    """

    def __init__(
        self,
        outcome: Callable[[Trial], Result],
        capacity: int = 1,
        duration: Callable[[Trial], float] = lambda trial: 1.0,
    ) -> None:
        self.capacity, self.now, self.busy = capacity, 0.0, 0.0
        self.submitted: list[Trial] = []
        self._outcome, self._duration = outcome, duration
        self._events: list[tuple[float, int, Result]] = []

    def submit(self, trial: Trial) -> None:
        assert len(self._events) < self.capacity, "more trials than workers"
        self.submitted.append(trial)
        seconds = self._duration(trial)
        self.busy += seconds
        heapq.heappush(self._events, (self.now + seconds, trial.number, self._outcome(trial)))

    def collect(self, timeout: float | None) -> list[tuple[int, Result]]:
        if not self._events or (timeout is not None and self._events[0][0] > self.now + timeout):
            self.now += timeout or 0.0
            return []
        self.now, number, result = heapq.heappop(self._events)
        return [(number, result)]

    def close(self) -> None:
        self._events.clear()


def mixed_space() -> CS.ConfigurationSpace:
    """Every kind of hyperparameter, two levels of conditions, one forbidden clause."""
    space = CS.ConfigurationSpace(name="mixed")
    model = CS.Categorical("model", ["net", "tree", "none"])
    flag = CS.Categorical("flag", [True, False])
    width = CS.Integer("width", (8, 512), log=True)
    depth = CS.Integer("depth", (1, 4))
    rate = CS.Float("rate", (1e-4, 1.0), log=True)
    drop = CS.Float("drop", (0.0, 0.9))
    size = CS.OrdinalHyperparameter("size", ["s", "m", "l"])
    fixed = CS.Constant("fixed", 3)
    space.add([model, flag, width, depth, rate, drop, size, fixed])
    space.add(
        [
            CS.EqualsCondition(width, model, "net"),
            CS.AndConjunction(CS.EqualsCondition(drop, model, "net"), CS.GreaterThanCondition(drop, width, 32)),
            CS.InCondition(depth, model, ["net", "tree"]),
        ]
    )
    space.add(CS.ForbiddenAndConjunction(CS.ForbiddenEqualsClause(model, "none"), CS.ForbiddenEqualsClause(size, "l")))
    return space


def mixed_loss(trial: Trial) -> float:
    """Best for a net of width 64 at rate 0.01; the error shrinks with the budget."""
    config = trial.config
    loss = abs(math.log10(config["rate"]) + 2) + {"net": 0.0, "tree": 0.5, "none": 1.0}[config["model"]]
    loss += 0.1 * abs(math.log2(config.get("width", 256) / 64)) + 0.2 * config["flag"]
    return loss + 0.05 / trial.budget


def architecture_space() -> CS.ConfigurationSpace:
    """Chains of one to four layers, and a learning rate."""
    training = CS.ConfigurationSpace()
    training.add(CS.Float("rate", (1e-4, 1.0), log=True))
    return joined(ChainSpace(layers=(1, 4), filters=(8, 16, 32), halvings=2, dense=(0, 1)), training)


def architecture_loss(trial: Trial) -> float:
    """Best for three wide 3×3 convolutions at rate 0.01."""
    genotype, rest = decode(architecture_space(), trial.config)
    kernels = [layer.kernel == 3 and layer.operation == "conv" for layer in genotype.layers]
    widths = sum(layer.filters for layer in genotype.layers)
    return abs(math.log10(rest["rate"]) + 2) + abs(sum(kernels) - 3) + abs(widths - 96) / 96


def curve(trial: Trial, loss: float) -> tuple[tuple[float, float], ...]:
    """Of thirty epochs in a full run, falling as `mixed_loss` does, to the loss that the trial ends with."""
    shares = [k / 30 for k in range(1, max(1, round(30 * trial.budget)) + 1)]
    return tuple((share, loss + 0.05 / share - 0.05 / shares[-1]) for share in shares)


def result(trial: Trial, loss: float) -> Result:
    """A trial that has succeeded."""
    return Result(State.DONE, loss, 1.0, curve(trial, loss))


def done(loss: Callable[[Trial], float] = mixed_loss) -> Callable[[Trial], Result]:
    """Every trial succeeds."""
    return lambda trial: result(trial, loss(trial))


def crashing(share: float, loss: Callable[[Trial], float] = mixed_loss) -> Callable[[Trial], Result]:
    """This share of the trials crashes, chosen by their seeds and numbers."""
    failed = Result(State.CRASHED, cost=1.0, error="boom")

    def outcome(trial: Trial) -> Result:
        luck = np.random.default_rng([trial.seed, trial.number]).random()
        return failed if luck < share else result(trial, loss(trial))

    return outcome


def uneven(trial: Trial) -> float:
    """Durations that differ by a factor of 100 and depend on the trial alone."""
    return float(10 ** np.random.default_rng(trial.number).uniform(-1, 1))


def played(optimizer: Optimizer, n: int, loss: Callable[[Trial], float] = mixed_loss) -> History:
    """The history after n trials, one after another."""
    history = History()
    for number in range(n):
        proposal = optimizer.ask(history)
        assert proposal is not None
        trial = Trial(number, proposal, seed=number)
        history = history.put(Trial(number, proposal, number, result(trial, loss(trial))))
    return history
