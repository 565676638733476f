"""Adversarial training by the fast gradient sign method (Goodfellow et al. 2015, arXiv:1412.6572, section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from automl.architectures.image_inputs import ImageNetwork
from automl.architectures.inputs import TabularNet
from automl.training.data import Batch
from automl.training.regularisers.mixing import Generators, Objective


@dataclass(frozen=True, slots=True)
class Adversarial:
    """Half the loss of the rows and half that of the rows moved by ε along the sign of the loss's gradient.

    Attributes
    ----------
    epsilon: ε ≥ 0, in the unit of the dense input: standard deviations, for scaled numbers.
    """

    epsilon: float
    passes: ClassVar[int] = 2

    def loss(
        self, network: TabularNet | ImageNetwork, batch: Batch, random: Generators, objective: Objective
    ) -> Tensor:
        dense = network.dense(batch.numbers, batch.codes)
        if not dense.requires_grad:  # no embeddings: the gradient ends here
            dense = dense.detach().requires_grad_()
        plain = objective(network.body(dense), batch)
        (gradient,) = torch.autograd.grad(plain, dense, retain_graph=True)
        moved = objective(network.body(dense + self.epsilon * gradient.sign()), batch)
        return 0.5 * (plain + moved)
