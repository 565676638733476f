"""A controller that writes architectures token by token and learns from their rewards.

The controller of Pham et al. (2018), "Efficient Neural Architecture Search via Parameter Sharing", ICML,
arXiv:1802.03268: an LSTM of 64 units, REINFORCE with an exponential mean of the rewards as its baseline, and a bonus on
the entropy. Deviations from the authors' code: the bonus has the gradient of the entropy, where theirs is added to the
reward, and the logits are taken as they are (there within ±1.1 or less by a tanh, against certainty in long searches).
It is the policy that also `automl.search.samplers.reinforce` trains, there on finished trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import entr, softmax

from automl.search.grammar import Grammar, Tokens
from automl.search.models.adam import Adam
from automl.search.models.policy import LSTM

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


@dataclass(frozen=True)
class Controller:
    """A policy over the configurations of a space while it learns.

    Attributes
    ----------
    baseline: numerator and denominator of the exponential mean of the rewards.
    """

    grammar: Grammar
    policy: LSTM
    adam: Adam
    baseline: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, space: ConfigurationSpace, rng: np.random.Generator) -> Controller:
        grammar = Grammar.of(space)
        policy = LSTM(grammar.offsets)
        return cls(grammar, policy, Adam.of(policy.begin(rng)))

    def written(self, rng: np.random.Generator) -> dict[str, Any]:
        """A configuration drawn from the policy."""

        def choose(place: int, before: Tokens) -> int:
            p = softmax(self.policy.logits(self.adam.parameters, before, place))
            return int(rng.choice(len(p), p=p))

        config = self.grammar.written(choose, rng)
        assert config is not None, "spaces of cells forbid nothing"
        return config

    def entropy(self, config: dict[str, Any]) -> float:
        """Mean entropy of the choices along a configuration, in nats."""
        along = self.policy.along(self.adam.parameters, self.grammar.tokens(config))
        return float(np.mean([entr(softmax(logits)).sum() for logits in along]))

    def learned(
        self,
        configs: Sequence[dict[str, Any]],
        rewards: Sequence[float],
        *,
        rate: float,
        bonus: float,
        momentum: float,
    ) -> Controller:
        """The controller after one step of Adam on these configurations, the greater reward the better.

        Parameters
        ----------
        bonus: weight of the entropy.
        momentum: of the baseline.
        """
        top, bottom = self.baseline
        top = momentum * top + (1 - momentum) * float(np.mean(rewards))
        bottom = momentum * bottom + (1 - momentum)
        total = [np.zeros_like(p) for p in self.adam.parameters]
        for config, reward in zip(configs, rewards, strict=True):
            tokens = self.grammar.tokens(config)
            parts = self.policy.gradient(self.adam.parameters, tokens, reward - top / bottom, bonus)
            total = [a + b / len(configs) for a, b in zip(total, parts, strict=True)]
        return replace(self, adam=self.adam.down(total, rate), baseline=(top, bottom))
