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
from automl.supernet.layout import Layout, one_hot

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
        self.layout = layout
        self._terms = {
            place: layout.mixtures[step.name] for place, step in enumerate(layout.plan.steps) if step.kind == "mixture"
        }

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
        network = build(own, steps[0].shape, steps[-1].shape[0])
        shared = dict(self.named_parameters())
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                source = shared.get(self.layout.shared_name(own, name))
                if source is not None:  # scales and shifts of batch norms have none
                    parameter.copy_(source)
        return network.to(next(self.parameters()))

    def _outputs(self, images: Tensor, weights: Sequence[Sequence[Weight | None]], places: Iterable[int]) -> Tensor:
        steps = self.plan.steps
        values = {0: images.reshape(len(images), *steps[0].shape)}
        for place in places:
            step = steps[place]
            if step.kind != "mixture":
                values[place] = self.run(step, [values[i] for i in step.inputs])
                continue
            pairs = zip(step.inputs, self._terms[place], strict=True)
            terms = [_weighed(weights[e][o], values[i]) for i, (e, o) in pairs if weights[e][o] is not None]
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


def _weighed(weight: Weight | None, value: Tensor) -> Tensor:
    return value if isinstance(weight, float) and weight == 1 else weight * value  # type: ignore[operator]
