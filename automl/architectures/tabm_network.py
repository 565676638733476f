"""The network of TabM: k multilayer perceptrons that share most weights, each with a prediction of its own."""

from __future__ import annotations

import torch
from tabm import LinearEnsemble, ensemble_view, make_tabm_backbone
from torch import Tensor, nn

from automl.architectures.family import Shape
from automl.architectures.inputs import Embeddings, Front
from automl.architectures.number_embeddings import PiecewiseLinear


class TabMNetwork(nn.Module):
    """numbers (rows, d) and codes (rows, c) → logits (rows, k, outputs).

    Parameters
    ----------
    embedding: of the numbers, shared by the k; None passes them on as they are.
    """

    def __init__(
        self,
        shape: Shape,
        embedding: PiecewiseLinear | None,
        *,
        arch_type: str,
        k: int,
        n_blocks: int,
        d_block: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.front = Front(0, shape.levels, Embeddings())
        self.embedding = embedding
        each = 1 if embedding is None else embedding.width
        pieces = [each] * shape.numbers + list(self.front.pieces)
        self.k = k
        self.backbone = make_tabm_backbone(
            d_in=sum(pieces),
            n_blocks=n_blocks,
            d_block=d_block,
            dropout=dropout,
            k=k,
            arch_type=arch_type,
            # What the reference takes with and without embeddings (TabM.make).
            start_scaling_init="random-signs" if embedding is None else "normal",
            start_scaling_init_chunks=pieces,
        )
        self.head = LinearEnsemble(d_block, shape.outputs, k=k)

    def prime(self, numbers: Tensor, codes: Tensor, targets: Tensor) -> None:
        """Set the bins of the numbers."""
        if self.embedding is not None:
            self.embedding.prime(numbers)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        embedded = numbers if self.embedding is None else self.embedding(numbers)
        x = torch.cat([embedded, self.front(numbers[:, :0], codes)], -1)
        logits: Tensor = self.head(self.backbone(ensemble_view(x, self.k, self.training)))
        return logits
