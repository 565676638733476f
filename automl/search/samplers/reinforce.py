"""REINFORCE: a policy writes configurations token by token and is pulled towards those of small loss.

Zoph & Le (2017), "Neural Architecture Search with Reinforcement Learning", ICLR, arXiv:1611.01578; policy gradient with
a baseline (Williams 1992, Machine Learning 8). The controller is an LSTM, or, without a controller, a table of logits
(the REINFORCE baseline of NAS-Bench-201, Dong & Yang 2020). The advantage is the baseline's loss minus the trial's, in
standard deviations of the losses so far, so that the scale of the objective does not matter; the baseline is an
exponential mean with bias correction. A trial is learned from once, with the policy of the moment; failed ones count as
the worst so far. A string that was tried before is written again with a flatter softmax, as it would tell nothing.

The papers' rates are for thousands of trials. Here they are larger, for hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from automl.search.draw import sample
from automl.search.grammar import Grammar, Tokens
from automl.search.lessons import Replay, lessons, losses, run_seed
from automl.search.models.adam import Adam
from automl.search.models.policy import LSTM, Flat, Policy
from automl.search.trial import config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History
    from automl.search.trial import Trial

TRIES = 32
"""Strings that were tried before, or are forbidden, before a draw from the space takes their place."""

HEATING = 0.1
"""By how much the softmax is flattened after each such string, so that a policy that repeats itself finds new ones."""


@dataclass(frozen=True)
class Learner:
    """A policy while it learns.

    Attributes
    ----------
    seen: losses so far.
    baseline: numerator and denominator of the exponential mean of the losses.
    """

    policy: Policy
    adam: Adam
    seen: tuple[float, ...] = ()
    baseline: tuple[float, float] = (0.0, 0.0)


@dataclass
class Reinforce:
    """REINFORCE as a function of the history.

    Attributes
    ----------
    controller: whether an LSTM writes the tokens; else each hyperparameter has logits of its own.
    rate: learning rate of Adam.
    entropy: weight of the entropy bonus (1e-4 in ENAS).
    momentum: of the baseline (0.9 in NAS-Bench-201).
    """

    controller: bool = True
    rate: float = 2e-3
    entropy: float = 1e-4
    momentum: float = 0.9
    _learner: Replay[Learner] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._learner = Replay(self._start, self._step)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> dict[str, Any]:
        grammar = Grammar.of(space)
        learner = self._learner(space, lessons(history), run_seed(history))

        seen = {config_key(t.config) for t in history}
        for attempt in range(TRIES):
            heat = 1 + HEATING * attempt

            def choose(place: int, before: Tokens, heat: float = heat) -> int:
                p = softmax(learner.policy.logits(learner.adam.parameters, before, place) / heat)
                return int(rng.choice(len(p), p=p))

            config = grammar.written(choose, rng)
            if config is not None and config_key(config) not in seen:
                return config
        return sample(space, rng)

    def _start(self, space: ConfigurationSpace, rng: np.random.Generator) -> Learner:
        offsets = Grammar.of(space).offsets
        policy: Policy = LSTM(offsets) if self.controller else Flat(offsets)
        return Learner(policy, Adam.of(policy.begin(rng)))

    def _step(
        self, space: ConfigurationSpace, learner: Learner, batch: Sequence[Trial], rng: np.random.Generator
    ) -> Learner:
        (trial,) = batch
        if not (np.isfinite(trial.loss) or learner.seen):
            return learner  # nothing to compare a failure with
        loss = float(losses((trial,))[0]) if np.isfinite(trial.loss) else max(learner.seen)
        seen = (*learner.seen, loss)
        top, bottom = (
            self.momentum * old + (1 - self.momentum) * new
            for old, new in zip(learner.baseline, (loss, 1.0), strict=True)
        )
        spread = float(np.std(seen)) or 1.0
        advantage = (top / bottom - loss) / spread
        tokens = Grammar.of(space).tokens(trial.config)
        gradient = learner.policy.gradient(learner.adam.parameters, tokens, advantage, self.entropy)
        return Learner(learner.policy, learner.adam.down(gradient, self.rate), seen, (top, bottom))
