"""EAS: an agent that reads the current network and decides which layers to widen and where to put one more.

Cai, Chen, Zhang, Yu & Wang (2018), "Efficient Architecture Search by Network Transformation", AAAI, arXiv:1707.04873.
The agent is the LSTM policy of REINFORCE: it reads the network as a string of tokens (there, a bidirectional LSTM),
then writes a yes or no for each layer that can be wider, and the place of a new layer or none. Children inherit the
weights of the network that they came from; after some of them, the best network so far is the one to change, and
what was learned of it serves the next. What the agent did is read off a parent and its child, so that no decision has
to be remembered; where a new layer may have stood at several places, the first one counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from automl.genotypes import spaces
from automl.genotypes.morphs import Morph, link_of
from automl.search.grammar import Grammar
from automl.search.lessons import Replay, lessons, run_seed
from automl.search.models.adam import Adam
from automl.search.models.policy import LSTM
from automl.search.offspring import drawn, grows, moved, neighbours, small
from automl.search.trial import Configuration, Offspring, Trial, config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.search.history import History

LAYERS = 16
"""Layers that the agent tells apart; those behind are not changed."""
NO, YES = 0, 1
TRIES = 8
"""Children that are the network itself or were tried, before another way is taken."""

Steps = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Agent:
    """The agent while it learns.

    Attributes
    ----------
    gains: of the trials so far: by how much they were better than their parents.
    """

    policy: LSTM
    adam: Adam
    gains: tuple[float, ...] = ()


@dataclass
class EAS:
    """An agent that widens and deepens.

    Attributes
    ----------
    children: of a network before the best one takes its place, >= 1 (10 to 16 in the paper).
    rate, entropy: of the policy, as in REINFORCE.
    change: chance that a child also changes a hyperparameter that is not of its architecture.
    """

    children: int = 8
    rate: float = 5e-3
    entropy: float = 1e-4
    change: float = 0.5
    _agent: Replay[Agent] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._agent = Replay(self._start, self._step, batch=2)

    def __call__(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Configuration:
        return self.child(space, history, rng).config

    def child(self, space: ConfigurationSpace, history: History, rng: np.random.Generator) -> Offspring:
        """A child of the current network; a small network before there is one."""
        current = self.current(trial for trial in lessons(history) if grows(space, trial.config))
        if current is None:
            begun = any(grows(space, trial.config) for trial in history)
            return Offspring(drawn(space, rng) if begun else small(space, rng))
        agent = self._agent(space, _paired(history), run_seed(history))
        changes = Changes.of(space, current.config)
        seen = {config_key(t.config) for t in history}
        for attempt in range(TRIES):
            config = changes.child(agent, rng, heat=1 + 0.25 * attempt)
            config = moved(space, config, self.change, rng)
            if config_key(config) not in seen:
                return Offspring(config, current.number)
        return Offspring(moved(space, drawn(space, rng), self.change, rng), current.number)

    def current(self, trials: Iterable[Trial]) -> Trial | None:
        """The one to change of trials that have ended: the best, looked for anew whenever it has enough children."""
        ended = [t for t in trials if math.isfinite(t.loss)]
        current, born = None, 0
        for trial in ended:
            born += current is not None and trial.proposal.parent == current.number
            if current is None or born >= self.children:
                known = [t for t in ended if t.number <= trial.number]
                current, born = min(known, key=lambda t: (t.loss, t.number)), 0
        return current

    def _start(self, space: ConfigurationSpace, rng: np.random.Generator) -> Agent:
        offsets = list(Grammar.of(space).offsets)
        for tokens in (*(2 for _ in range(LAYERS)), LAYERS + 1):
            offsets.append(offsets[-1] + tokens)
        policy = LSTM(tuple(offsets))
        return Agent(policy, Adam.of(policy.begin(rng)))

    def _step(self, space: ConfigurationSpace, agent: Agent, batch: Sequence[Trial], rng: np.random.Generator) -> Agent:
        parent, child = batch
        gain = parent.loss - child.loss
        if not math.isfinite(gain):  # one of the two has failed
            return agent
        gains = (*agent.gains, gain)
        spread = float(np.std(gains)) or 1.0
        read, written = Changes.of(space, parent.config).written(child.config)
        if not written:
            return replace(agent, gains=gains)
        advantage = (gain - float(np.mean(gains))) / spread
        gradient = agent.policy.gradient(
            agent.adam.parameters, (*read, *written), advantage, self.entropy, given=len(read)
        )
        return Agent(agent.policy, agent.adam.down(gradient, self.rate), gains)


def _paired(history: History) -> list[Trial]:
    """Parent, child, parent, child …: what the agent learns from, in the order of the children."""
    return [
        trial
        for child in lessons(history)
        if child.proposal.parent is not None and not child.proposal.promoted
        for trial in (history[child.proposal.parent], child)
    ]


@dataclass(frozen=True)
class Changes:
    """What may be done to a network.

    Attributes
    ----------
    read: the network as tokens.
    wider: layer → the configuration in which it has the next width.
    deeper: layer → morph that puts a layer behind it.
    """

    space: ConfigurationSpace
    config: Configuration
    read: Steps
    wider: dict[int, Morph]
    deeper: dict[int, Morph]

    @classmethod
    def of(cls, space: ConfigurationSpace, config: Configuration) -> Changes:
        wider: dict[int, Morph] = {}
        deeper: dict[int, Morph] = {}
        for morph, _ in neighbours(space, config, ("widen", "deepen")):
            if morph.kind == "widen":
                wider.setdefault(int(morph.args[0]) if len(morph.args) > 1 else 0, morph)
            else:
                deeper.setdefault(int(morph.args[0]) - 1 if morph.args else 0, morph)
        wider, deeper = ({i: m for i, m in sorted(each.items()) if i < LAYERS} for each in (wider, deeper))
        return cls(space, config, Grammar.of(space).tokens(config), wider, deeper)

    def child(self, agent: Agent, rng: np.random.Generator, heat: float) -> dict[str, Any]:
        """What the agent makes of the network, with a flatter softmax the larger the heat is."""
        steps, base = self.read, len(self.space)
        morphs = []
        for layer, morph in self.wider.items():
            p = softmax(agent.policy.logits(agent.adam.parameters, steps, base + layer) / heat)
            token = int(rng.choice(2, p=p))
            steps = (*steps, (base + layer, token))
            morphs += [morph] if token == YES else []
        if self.deeper:
            allowed = [0, *(1 + layer for layer in self.deeper)]
            logits = agent.policy.logits(agent.adam.parameters, steps, base + LAYERS)[allowed]
            token = allowed[int(rng.choice(len(allowed), p=softmax(logits / heat)))]
            morphs += [self.deeper[token - 1]] if token else []
        config = dict(self.config)
        for morph in morphs:  # those that the others have made impossible are left out
            config = next(
                (child for each, child in neighbours(self.space, config, (morph.kind,)) if each == morph), config
            )
        return config

    def written(self, child: Configuration) -> tuple[Steps, Steps]:
        """What was read, and the decisions that lead to a child."""
        before, after = (spaces.decode(self.space, each)[0] for each in (self.config, child))
        base, steps = len(self.space), list[tuple[int, int]]()
        link = link_of(before, after)
        sources = () if link is None else link.layers
        for layer in self.wider:
            if sources:
                widened = layer in sources and _width(after, sources.index(layer)) > _width(before, layer)
            else:
                widened = _width(after, 0) > _width(before, 0)
            steps.append((base + layer, YES if widened else NO))
        if self.deeper:
            new = sources.index(None) if None in sources else None
            if not sources and getattr(after, "cells", 0) > getattr(before, "cells", 0):
                new = 1
            token = new if new is not None and new - 1 in self.deeper else 0
            steps.append((base + LAYERS, token))
        return self.read, tuple(steps)


def _width(genotype: Any, layer: int) -> int:
    layers = getattr(genotype, "layers", None)
    return int(genotype.filters if layers is None else layers[layer].filters)
