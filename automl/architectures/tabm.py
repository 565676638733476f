"""TabM: an ensemble of k multilayer perceptrons inside one network (Gorishniy et al. 2025, arXiv:2410.24210).

"tabm" gives each of the k a scaling of every layer's inputs and outputs (BatchEnsemble); "tabm-mini" one of the
first layer's inputs alone, which costs less and, with piecewise-linear embeddings, was as good in the paper. Layers
come from the authors' package `tabm`. Deviations: columns of more than 9 levels get embeddings in place of one-hot
columns; the default is sized for a CPU (the paper's: arch_type "tabm", k 32, d_block 512, n_blocks 3, no embedding,
batches of 256); the learning rate falls by a cosine, since the epochs are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from automl.architectures.family import Shape
from automl.architectures.preparation import numbers_space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class TabM:
    """k predictions of a row, each trained on its own loss."""

    name = "tabm"
    inputs = "columns"
    widths = ("d_block",)
    cells: ClassVar[dict[str, int]] = {"n_blocks": 1}

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, Integer

        space = ConfigurationSpace()
        embedding = Categorical("embedding", ["piecewise", "none"], default="piecewise")
        n_bins = Integer("n_bins", (2, 128), default=48)
        d_embedding = Integer("d_embedding", (4, 32), default=8)
        space.add(
            Categorical("arch_type", ["tabm-mini", "tabm"], default="tabm-mini"),
            Integer("k", (4, 32), log=True, default=8),
            Integer("n_blocks", (1, 5), default=2),
            Integer("d_block", (32, 512), log=True, default=128),
            Float("dropout", (0.0, 0.5), default=0.1),
            embedding,
            n_bins,
            d_embedding,
        )
        space.add(EqualsCondition(n_bins, embedding, "piecewise"), EqualsCondition(d_embedding, embedding, "piecewise"))
        return space

    def recipe_space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, Constant, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (3e-4, 1e-2), log=True, default=2e-3),
            Float("weight_decay", (1e-6, 1e-1), log=True, default=3e-4),
            Categorical("schedule", ["cosine", "constant"], default="cosine"),
            Constant("warmup", 0.0),
            Integer("batch_size", (32, 1024), log=True, default=128),
            Constant("patience", 16),
            Constant("clip", 1.0),
        )
        return space

    def preparation_space(self) -> ConfigurationSpace:
        return numbers_space(["quantile", "standard", "robust_clip"])

    def build(
        self,
        shape: Shape,
        *,
        arch_type: str,
        k: int,
        n_blocks: int,
        d_block: int,
        dropout: float,
        embedding: str,
        n_bins: int | None = None,
        d_embedding: int | None = None,
    ) -> nn.Module:
        """A module from numbers and codes to (rows, k, shape.outputs) logits."""
        from automl.architectures.number_embeddings import PiecewiseLinear
        from automl.architectures.tabm_network import TabMNetwork

        embed = None
        if embedding == "piecewise":
            if n_bins is None or d_embedding is None:
                raise TypeError("embedding 'piecewise' needs n_bins and d_embedding")
            if shape.numbers:
                embed = PiecewiseLinear(shape.numbers, n_bins, d_embedding)
        return TabMNetwork(shape, embed, arch_type=arch_type, k=k, n_blocks=n_blocks, d_block=d_block, dropout=dropout)
