"""Several branches: layers that take any of the layers before them.

Zoph & Le (2017), "Neural Architecture Search with Reinforcement Learning", arXiv:1611.01578, section 3.3: a skip matrix
says which layers each one takes; one that takes none takes the input, and what nothing takes goes to the classifier.
The sub-diagonal alone is a chain, all ones with concatenation are DenseNet, sums at junctions ResNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, ClassVar

from automl.errors import GenotypeError
from automl.genotypes.blocks import head
from automl.genotypes.draw import Picture
from automl.genotypes.graph import INPUT, OUTPUT, Graph, canonical_hash
from automl.genotypes.layers import Layer, checked, finish, layers_of, write
from automl.genotypes.plan import Draft, Plan, Shape

MERGES = ("concat", "sum", "scaled")


@dataclass(frozen=True)
class Branches:
    """Layers with a skip matrix.

    Attributes
    ----------
    layers: at least one.
    skips: a row for each layer and one for the classifier. Row i has i + 1 entries: whether it takes the input (first
        entry) and each layer before. A row of zeros takes the input; the classifier also takes every layer that
        nothing else takes.
    merge: how several are joined, "concat", "sum" or "scaled". Larger ones are averaged down to the smallest; in a
        sum, those that do not fit the last one pass a 1×1 convolution and batch norm of their own. "scaled" is a sum
        in which all but the last are multiplied by a learnable number each, 0 at first.
    order: of norm, ReLU and weights in a layer, a name of `layers.ORDERS`.
    """

    family: ClassVar[str] = "branches"

    layers: tuple[Layer, ...]
    skips: tuple[tuple[bool, ...], ...]
    merge: str = "concat"
    order: str = "conv-norm-relu"

    def __post_init__(self) -> None:
        checked(self.layers, self.order)
        if self.merge not in MERGES:
            raise GenotypeError(f"merge is {self.merge!r}; it must be one of {MERGES}")
        lengths, right = [len(row) for row in self.skips], list(range(1, len(self.layers) + 2))
        if lengths != right:
            raise GenotypeError(f"the rows of the skip matrix have lengths {lengths}; they must be {right}")
        if any(type(entry) is not bool for row in self.skips for entry in row):
            raise GenotypeError("the skip matrix must hold True and False alone")

    @classmethod
    def of(cls, layers: Sequence[Layer], taken: Sequence[Sequence[int]], **settings: Any) -> Branches:
        """The genotype in which row i takes the places `taken[i]`: 0 for the input, j + 1 for layer j."""
        rows = tuple(tuple(j in row for j in range(i + 1)) for i, row in enumerate(taken))
        return cls(tuple(layers), rows, **settings)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Branches:
        rows = tuple(tuple(row) for row in fields["skips"])
        return cls(**fields | {"layers": layers_of(fields["layers"]), "skips": rows})

    @cached_property
    def taken(self) -> tuple[tuple[int, ...], ...]:
        """Places that each layer takes, and last the classifier: 0 for the input, j + 1 for layer j."""
        rows = [tuple(j for j, on in enumerate(row) if on) or (0,) for row in self.skips[:-1]]
        used = {j for row in rows for j in row}
        last = tuple(j for j, on in enumerate(self.skips[-1]) if on or (j > 0 and j not in used))
        return (*rows, last)

    @cached_property
    def hash(self) -> str:
        """Equal for networks that differ in the order of their layers alone, where it changes nothing they compute."""
        return f"{self.order}{self.merge}{canonical_hash(self._joined())}"

    def _joined(self) -> Graph:
        """The graph, with what a sum makes of the last that it takes: the width of all, and the one not scaled."""
        graph, places = self.graph(), [0]
        labels, units, edges = [INPUT], [graph.units[0]], list[tuple[int, int]]()
        for i, row in enumerate(self.taken, start=1):
            label, sources = graph.labels[i], [places[j] for j in row]
            if len(row) > 1 and self.merge == "sum":
                label += f" of {units[sources[-1]]}"
            elif len(row) > 1 and self.merge == "scaled":
                labels.append("unscaled")
                units.append(units[sources[-1]])
                edges.append((sources[-1], len(labels) - 1))
                sources[-1] = len(labels) - 1
            labels.append(label)
            units.append(graph.units[i])
            edges += [(source, len(labels) - 1) for source in sources]
            places.append(len(labels) - 1)
        return Graph(tuple(labels), tuple(edges), tuple(units))

    def graph(self) -> Graph:
        labels = (INPUT, *(layer.label for layer in self.layers), OUTPUT)
        units = [0]
        for layer, row in zip(self.layers, self.taken, strict=False):
            widths = [units[j] for j in row]
            units.append(layer.filters or (sum(widths) if self.merge == "concat" else widths[-1]))
        edges = tuple((j, i) for i, row in enumerate(self.taken, start=1) for j in row)
        return Graph(labels, edges, (*units, units[-1]))

    def plan(self, shape: Shape, outputs: int) -> Plan:
        draft, places = Draft(shape), [0]
        for i, (layer, row) in enumerate(zip(self.layers, self.taken, strict=False)):
            at = self._merged(draft, row, places, f"layer{i}")
            places.append(write(draft, at, layer, self.order, f"layer{i}", first=row == (0,)))
        at = self._merged(draft, self.taken[-1], places, "classifier_in")
        head(draft, finish(draft, at, self.order), outputs)
        return draft.plan()

    def _merged(self, draft: Draft, row: Sequence[int], places: Sequence[int], name: str) -> int:
        """Join the layers of a row; parts are called by the layer that they take, so that a new one renames none."""
        if len(row) == 1:
            return places[row[0]]
        size = min(draft.shape(places[j])[1:] for j in row)
        channels = draft.shape(places[row[-1]])[0]
        fitting = []
        for j in row:
            at = places[j]
            if self.merge == "concat":
                at = _shrunk(draft, at, size, f"{name}.shrink{j}")
            elif draft.shape(at) != (channels, *size):
                at = _projected(draft, at, channels, size, f"{name}.project{j}")
            if self.merge == "scaled" and j != row[-1]:
                at = draft.scale(at, f"{name}.scale{j}")
            fitting.append(at)
        join = draft.concat if self.merge == "concat" else draft.sum
        return join(fitting, f"{name}.{self.merge}")

    def pictures(self) -> tuple[Picture, ...]:
        texts = [layer.label.replace("_connect", "") for layer in self.layers]
        links = tuple((j, i, "") for i, row in enumerate(self.taken, start=1) for j in row)
        return (Picture(f"branches, {self.merge}", ("in", *texts, "out"), links),)


def _shrunk(draft: Draft, at: int, size: tuple[int, int], name: str) -> int:
    """Averaged down to a size, a half at a time."""
    for halving in count():
        if draft.shape(at)[1:] == size:
            break
        if size == (1, 1):
            return draft.global_pool(at, name)
        at = draft.pool(at, "avg", 3, f"{name}.mean{halving}", stride=2)
        if draft.shape(at)[1] < size[0]:
            raise GenotypeError(f"{name} cannot join images of different sizes; halve them by strides of 2 alone")
    return at


def _projected(draft: Draft, at: int, channels: int, size: tuple[int, int], name: str) -> int:
    """A 1×1 convolution with batch norm to so many channels at a size (option B of He et al. 2016)."""
    height = draft.shape(at)[1]
    stride = next((s for s in (1, 2, 4, 8, 16, 32, 64, 128) if -(-height // s) == size[0]), 0)
    if not stride:
        at, stride = _shrunk(draft, at, size, f"{name}.shrink"), 1
    return draft.norm(draft.conv(at, channels, 1, f"{name}.conv", stride=stride), f"{name}.norm")
