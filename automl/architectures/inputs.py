"""From encoded rows to logits: one-hot columns, learned embeddings and numbers in front of a family's body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from automl.architectures.catalogue import family as family_of
from automl.architectures.family import Family, Shape, inputs_of, members
from automl.errors import DataError


@dataclass(frozen=True, slots=True)
class Embeddings:
    """How categories become numbers.

    Attributes
    ----------
    one_hot_max: columns with at most this many levels become one column per level (Holzmüller et al. 2024,
        arXiv:2407.04491: 9); the others get a learned entity embedding (Guo & Berkhahn 2016, arXiv:1604.06737).
    factor, power, max_dim: an embedding of L levels has min(max_dim, round(factor · L^power)) dimensions,
        at least 1 (the rule of fastai, capped).
    signs: whether a column of two levels becomes one column of −1 and 1, 0 for a missing entry, instead of two.
    """

    one_hot_max: int = 9
    factor: float = 1.6
    power: float = 0.56
    max_dim: int = 16
    signs: bool = False

    def dim(self, levels: int) -> int:
        """Dimensions of the embedding of a column with `levels` levels."""
        return max(1, min(self.max_dim, round(self.factor * levels**self.power)))


class Front(nn.Module):
    """Numbers (…, d) and codes (…, c) → dense (…, width): numbers, signs, one-hot columns, embeddings.

    Codes are 0 for a missing or unseen category and 1 … L for the L levels. A one-hot column is all zeros for
    code 0; an embedding has a learned vector for it that starts at zero. Columns whose embeddings have equal
    dimensions share one table, since one look-up costs as much as many.

    Parameters
    ----------
    numbers: number of numeric columns, d.
    levels: L of each categorical column, c of them.

    Attributes
    ----------
    pieces: width of what each column becomes, in the order of the output. hot: columns of signs and one-hot together.
    """

    sign_columns: Tensor
    hot_columns: Tensor
    hot_levels: Tensor

    def __init__(self, numbers: int, levels: Sequence[int], embeddings: Embeddings) -> None:
        super().__init__()
        signs = [i for i, n in enumerate(levels) if embeddings.signs and n == 2]
        hot = [i for i, n in enumerate(levels) if n <= embeddings.one_hot_max and i not in signs]
        by_dim: dict[int, list[int]] = {}
        for i in sorted(set(range(len(levels))) - {*signs, *hot}):
            by_dim.setdefault(embeddings.dim(levels[i]), []).append(i)
        pairs = [(i, level) for i in hot for level in range(1, levels[i] + 1)]
        self._constant("sign_columns", signs)
        self._constant("hot_columns", [i for i, _ in pairs])
        self._constant("hot_levels", [level for _, level in pairs])
        self.dims = tuple(sorted(by_dim))
        self.tables = nn.ModuleDict()
        for dim, columns in by_dim.items():
            sizes = torch.tensor([levels[i] + 1 for i in columns])
            starts = sizes.cumsum(0) - sizes
            table = nn.Embedding(int(sizes.sum()), dim)
            with torch.no_grad():
                table.weight[starts] = 0.0
            self.tables[str(dim)] = table
            self._constant(f"columns_{dim}", columns)
            self._constant(f"starts_{dim}", starts.tolist())
        ones = (1,) * (numbers + len(signs))
        each = tuple(dim for dim in self.dims for _ in by_dim[dim])
        self.pieces = (*ones, *(n for n in map(levels.__getitem__, hot) if n), *each)
        self.width = sum(self.pieces)
        self.hot = len(signs) + len(pairs)

    def _constant(self, name: str, values: list[int]) -> None:
        """Follows from the columns, so it is no part of the saved weights."""
        self.register_buffer(name, torch.tensor(values, dtype=torch.int64), persistent=False)

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        parts = [numbers]
        if self.sign_columns.numel():
            signed = codes.index_select(-1, self.sign_columns)
            parts.append((signed == 2).to(numbers.dtype) - (signed == 1).to(numbers.dtype))
        if self.hot_columns.numel():
            parts.append((codes.index_select(-1, self.hot_columns) == self.hot_levels).to(numbers.dtype))
        for dim in self.dims:
            chosen = codes.index_select(-1, self.get_buffer(f"columns_{dim}")) + self.get_buffer(f"starts_{dim}")
            parts.append(self.tables[str(dim)](chosen).flatten(-2))
        return torch.cat(parts, -1) if len(parts) > 1 else numbers


class TabularNet(nn.Module):
    """A family's network for tables: numbers (…, d) float32 and codes (…, c) int64 → logits (…, outputs).

    Attributes
    ----------
    front: what makes one dense tensor of them; None where the body takes them apart.
    members: whether the network can be stacked along the members axis.
    """

    def __init__(self, front: Front | None, body: nn.Module, *, members: bool) -> None:
        super().__init__()
        self.front = front
        self.body = body
        self.members = members

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.body(*self.fed(numbers, codes))
        return logits

    def fed(self, numbers: Tensor, codes: Tensor) -> tuple[Tensor, ...]:
        """What the body is called with."""
        return (numbers, codes) if self.front is None else (self.front(numbers, codes),)

    def dense(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """What the body is fed, (…, width), where there is a front."""
        assert self.front is not None
        out: Tensor = self.front(numbers, codes)
        return out


def tabular_network(
    family: str | Family,
    config: Mapping[str, Any],
    *,
    numbers: int,
    levels: Sequence[int],
    outputs: int,
    rows: int,
    seed: int = 0,
    embeddings: Embeddings | None = None,
) -> TabularNet:
    """A fresh network of a family for encoded rows.

    Parameters
    ----------
    config: active hyperparameters of the family's space, nothing else.
    numbers: numeric columns. levels: levels of each categorical column, code 0 not counted.
    outputs: classes, or 1 for regression. rows: training rows.
    seed: of the initial weights; torch's global generator is left as it was.

    Examples
    --------
    >>> config = {"form": "brick", "n_layers": 1, "max_units": 16, "activation": "relu", "dropout": 0.0}
    >>> net = tabular_network(
    ...     "mlp", {**config, "norm": "batch"}, numbers=2, levels=[3], outputs=2, rows=50
    ... )
    >>> net(torch.zeros(4, 2), torch.ones(4, 1, dtype=torch.int64)).shape
    torch.Size([4, 2])
    """
    chosen = family_of(family)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        apart = inputs_of(chosen) == "columns"
        front = None if apart else Front(numbers, levels, embeddings or Embeddings())
        inputs = numbers + len(levels) if front is None else front.width
        if inputs < 1:
            raise DataError("no column is left for a network: all are constant or empty")
        shape = Shape(inputs=inputs, outputs=outputs, rows=rows, numbers=numbers, levels=tuple(levels))
        body = chosen.build(shape, **config)
    return TabularNet(front, body, members=members(chosen))
