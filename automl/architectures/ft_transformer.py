"""FT-Transformer: each column a token, and attention among them (Gorishniy et al. 2021, arXiv:2106.11959).

Its default is narrower and learns faster than the paper's (3 blocks, d_token 192, learning rate 1e-4 until patience
ends), since a CPU trains it for few epochs; with n_blocks 3, d_token 192, n_heads 8, batch_size 256 and learning_rate
1e-4 it is the paper's. A step costs in proportion to the columns: several times an MLP's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.architectures.family import Shape
from automl.architectures.preparation import numbers_space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn


class FTTransformer:
    """Tokens of columns, pre-norm blocks with ReGLU, a head on the learned token."""

    name = "ft_transformer"
    inputs = "columns"

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import ConfigurationSpace, Float, Integer
        from ConfigSpace.hyperparameters import OrdinalHyperparameter

        space = ConfigurationSpace()
        space.add(
            Integer("n_blocks", (1, 4), default=2),
            OrdinalHyperparameter("d_token", [16, 32, 64, 96, 128, 192], default_value=32),
            OrdinalHyperparameter("n_heads", [2, 4, 8], default_value=4),
            Float("ffn_factor", (2 / 3, 8 / 3), default=4 / 3),
            Float("attention_dropout", (0.0, 0.5), default=0.2),
            Float("ffn_dropout", (0.0, 0.5), default=0.1),
            Float("residual_dropout", (0.0, 0.2), default=0.0),
        )
        return space

    def recipe_space(self) -> ConfigurationSpace:
        from ConfigSpace import ConfigurationSpace, Constant, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (1e-4, 3e-3), log=True, default=1e-3),
            Float("weight_decay", (1e-6, 1e-2), log=True, default=1e-5),
            Integer("batch_size", (32, 1024), log=True, default=128),
            Constant("patience", 16),
        )
        return space

    def preparation_space(self) -> ConfigurationSpace:
        return numbers_space(["quantile", "standard", "robust_clip"])

    def build(
        self,
        shape: Shape,
        *,
        n_blocks: int,
        d_token: int,
        n_heads: int,
        ffn_factor: float,
        attention_dropout: float,
        ffn_dropout: float,
        residual_dropout: float,
    ) -> nn.Module:
        """A module from numbers and codes to (rows, shape.outputs) logits."""
        from automl.architectures.ft_transformer_network import FTTransformerNetwork

        return FTTransformerNetwork(
            shape,
            n_blocks=n_blocks,
            d_token=d_token,
            n_heads=n_heads,
            ffn_factor=ffn_factor,
            attention_dropout=attention_dropout,
            ffn_dropout=ffn_dropout,
            residual_dropout=residual_dropout,
        )
