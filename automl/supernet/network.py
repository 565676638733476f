"""The torch module of a supernet: all operations at once, each with its weight, or a single path.

Batch norms have neither a scale nor a shift and normalise by the batch alone, since one set of running means cannot
serve all architectures (Liu, Simonyan & Yang 2019, section 3.1.1; Dong & Yang 2020).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automl.genotypes.genotype import build
from automl.genotypes.network import Network
from automl.genotypes.plan import Plan
from automl.supernet.layout import Layout, one_hot

WEIGHTLESS = frozenset({"relu", "norm", "max_pool", "avg_pool", "shift"})
"""Kinds of steps that compute the same of the same."""

Weight = Tensor | float
"""Of a term; a float is that of a single path: how often it is taken."""


class Supernet(Network):
    """The weights of all architectures of a layout.

    A parameter is called as in the network of an architecture of its own, with the name of the operation put in;
    `Layout.shared_name` translates.

    Parameters
    ----------
    layout: what there is to choose from.
    seed: of the first weights.
    """

    def __init__(self, layout: Layout, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            super().__init__(layout.plan, functools.partial(nn.BatchNorm2d, affine=False, track_running_stats=False))
        # Channels last: convolutions and pools of a CPU are faster than with channels first.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented
        self.layout = layout
        self._terms = {
            place: layout.mixtures[step.name] for place, step in enumerate(layout.plan.steps) if step.kind == "mixture"
        }
        self._same = _same(layout.plan)

    def mixed(self, images: Tensor, weights: Tensor) -> Tensor:
        """Logits (n, outputs) of the mixture of all operations.

        Parameters
        ----------
        images: (n, channels, height, width).
        weights: (edges, operations) of the terms, such as a softmax over operations. A weight of "none" has no term.
        """
        return self._outputs(images, [row.unbind() for row in weights.unbind()], range(1, len(self.plan.steps)))

    def single(self, images: Tensor, genotype: Any) -> Tensor:
        """Logits (n, outputs) of one architecture; nothing else is computed.

        Parameters
        ----------
        genotype: of the layout's family, however it is stacked: the supernet's own stacking is what runs.
        """
        counts = one_hot(self.layout, self.layout.choices(genotype))
        taken = [[count or None for count in row] for row in counts.tolist()]
        return self._outputs(images, taken, self._needed(counts))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, outputs) of the mixture in which all operations of an edge weigh the same."""
        shape = (len(self.layout.edges), len(self.layout.operations))
        return self.mixed(images, images.new_full(shape, 1 / shape[1]))

    def standalone(self, genotype: Any) -> nn.Module:
        """The network of an architecture, stacked as the supernet, with a copy of its shared weights.

        Its batch norms are those of an ordinary network, as they are made: with scale 1 and shift 0.
        """
        own = self.layout.genotype(self.layout.choices(genotype))
        steps = self.plan.steps
        with torch.random.fork_rng(devices=[]):  # its first weights are overwritten
            network = build(own, steps[0].shape, steps[-1].shape[0])
        shared = dict(self.named_parameters())
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                source = shared.get(self.layout.shared_name(own, name))
                if source is not None:  # scales and shifts of batch norms have none
                    parameter.copy_(source)
        network.to(next(self.parameters()))
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # documented

    def _outputs(self, images: Tensor, weights: Sequence[Sequence[Weight | None]], places: Iterable[int]) -> Tensor:
        steps = self.plan.steps
        shaped = images.reshape(len(images), *steps[0].shape)
        values, same = {0: shaped.contiguous(memory_format=torch.channels_last)}, self._same
        for place in places:
            step = steps[place]
            if same[place] in values:
                continue
            if step.kind != "mixture":
                values[same[place]] = self.run(step, [values[same[i]] for i in step.inputs])
                continue
            pairs = zip(step.inputs, self._terms[place], strict=True)
            terms = [_weighed(weights[e][o], values[same[i]]) for i, (e, o) in pairs if weights[e][o] is not None]
            total = sum(terms[1:], terms[0]) if terms else images.new_zeros((len(images), *step.shape))
            values[place] = total
        return values[len(steps) - 1].flatten(1)

    def _needed(self, counts: np.ndarray) -> list[int]:
        """Places of the steps that the outputs of an architecture depend on, in order."""
        wanted = {len(self.plan.steps) - 1}
        for place in reversed(range(1, len(self.plan.steps))):
            if place in wanted:
                step = self.plan.steps[place]
                if step.kind == "mixture":
                    wanted.update(
                        i for i, (e, o) in zip(step.inputs, self._terms[place], strict=True) if counts[e, o] > 0
                    )
                else:
                    wanted.update(step.inputs)
        return sorted(wanted - {0})


def _same(plan: Plan) -> list[int]:
    """For each step the first one that computes the same: those without weights, of the same inputs.

    All edges that leave a state have a pool of it and begin with its ReLU; norms have no weights here.
    """
    found: list[int] = []
    known: dict[object, int] = {}
    for place, step in enumerate(plan.steps):
        key = (step.kind, step.kernel, step.stride, tuple(found[i] for i in step.inputs))
        found.append(known.setdefault(key, place) if step.kind in WEIGHTLESS else place)
    return found


def _weighed(weight: Weight | None, value: Tensor) -> Tensor:
    return value if isinstance(weight, float) and weight == 1 else weight * value  # type: ignore[operator]
