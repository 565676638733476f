"""What may be chosen of chains and branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from automl.errors import GenotypeError
from automl.genotypes.branches import Branches
from automl.genotypes.chain import Chain
from automl.genotypes.layers import Layer

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

OPERATIONS = ("conv", "sep_conv", "max_pool", "avg_pool")
SIZED = ("conv", "sep_conv")
"""Operations with a kernel and filters to choose; pools are 3×3."""

RESIDUAL = ("residual_conv", "residual_sep_conv")
"""Operations with a kernel to choose, which keep their width; what they give is added to what they take."""


@dataclass(frozen=True)
class ChainSpace:
    """Chains of so many layers.

    Attributes
    ----------
    layers: least and most convolutions and pools; (0, 0) for tables.
    kernels, filters: choices of each convolution; filters in rising order.
    halvings: places, evenly spread over the layers, where the resolution may be halved.
    dense: least and most dense layers before the classifier.
    units: choices of each dense layer; 0 is a residual one, which keeps its width.
    residual: whether a layer may be one of `RESIDUAL`.
    """

    family: ClassVar[str] = "chain"

    layers: tuple[int, int] = (1, 8)
    kernels: tuple[int, ...] = (1, 3, 5, 7)
    filters: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    halvings: int = 3
    dense: tuple[int, int] = (0, 2)
    units: tuple[int, ...] = (32, 64, 128, 256, 512)
    residual: bool = False

    def __post_init__(self) -> None:
        for name in ("layers", "dense"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise GenotypeError(f"{name} is {(low, high)!r}; it must be (least, most) with 0 <= least <= most")
        if self.layers[0] + self.dense[0] == 0:
            raise GenotypeError("layers and dense may both be 0, an empty chain; raise the least of one")

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        add_layers(space, prefix, self)
        add_depth(space, f"{prefix}dense", self.dense, f"{prefix}units")
        for i in range(1, self.dense[1] + 1):
            _add_choice(space, f"{prefix}units{i}", self.units, {"layer": i, "module": f"dense{i}"})
            _when_deeper(space, f"{prefix}units{i}", f"{prefix}dense", i, self.dense)

    def decode(self, values: Mapping[str, Any]) -> Chain:
        units = [int(values[f"units{i}"]) for i in range(1, depth(values, "dense", self.dense) + 1)]
        dense = [Layer("dense", filters=n, residual=n == 0) for n in units]
        return Chain((*decode_layers(self, values), *dense))

    def encode(self, genotype: Chain) -> dict[str, Any]:
        layers = [layer for layer in genotype.layers if layer.operation != "dense"]
        dense = genotype.layers[len(layers) :]
        values = encode_layers(self, layers) | encode_depth("dense", len(dense), self.dense)
        return values | {f"units{i}": layer.filters for i, layer in enumerate(dense, start=1)}


@dataclass(frozen=True)
class BranchesSpace:
    """Layers with a skip matrix; see `ChainSpace` for the bounds. The classifier takes what nothing else takes."""

    family: ClassVar[str] = "branches"

    layers: tuple[int, int] = (1, 8)
    kernels: tuple[int, ...] = (1, 3, 5, 7)
    filters: tuple[int, ...] = (16, 32, 64, 128)
    halvings: int = 3
    merges: tuple[str, ...] = ("concat", "sum")
    residual: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.layers[0] <= self.layers[1]:
            raise GenotypeError(f"layers is {self.layers!r}; it must be (least, most) with 1 <= least <= most")

    def fill(self, space: ConfigurationSpace, prefix: str) -> None:
        add_layers(space, prefix, self)
        _add_choice(space, f"{prefix}merge", self.merges, {})
        for i in range(2, self.layers[1] + 1):
            for j in range(i):
                name = f"{prefix}skip{i}_{j}"
                _add_choice(space, name, (False, True), {"layer": i, "module": f"skips{i}"}, default=j == i - 1)
                _when_deeper(space, name, f"{prefix}layers", i, self.layers)

    def decode(self, values: Mapping[str, Any]) -> Branches:
        layers = decode_layers(self, values)
        rows = [(True,), *(tuple(values[f"skip{i}_{j}"] for j in range(i)) for i in range(2, len(layers) + 1))]
        return Branches(layers, (*rows, (False,) * (len(layers) + 1)), values["merge"])

    def encode(self, genotype: Branches) -> dict[str, Any]:
        values = encode_layers(self, genotype.layers) | {"merge": genotype.merge}
        rows = enumerate(genotype.skips[1:-1], start=2)
        return values | {f"skip{i}_{j}": on for i, row in rows for j, on in enumerate(row)}


Bounds = ChainSpace | BranchesSpace


def halved(layers: int, halvings: int) -> Iterator[int]:
    """The layers, from 1, that may halve the resolution: as many as there are places, evenly spread."""
    places = min(layers, halvings)
    yield from (k * layers // places + 1 for k in range(places))


def add_layers(space: ConfigurationSpace, prefix: str, bounds: Bounds) -> None:
    """Add depth, operations, kernels, filters and halvings, each active where its layer is."""
    from ConfigSpace import InCondition

    most = bounds.layers[1]
    if most:
        add_depth(space, f"{prefix}layers", bounds.layers, f"{prefix}op")
    for i in range(1, most + 1):
        meta = {"layer": i, "module": f"layer{i}"}
        _add_choice(space, f"{prefix}op{i}", (*OPERATIONS, *RESIDUAL) if bounds.residual else OPERATIONS, meta)
        _when_deeper(space, f"{prefix}op{i}", f"{prefix}layers", i, bounds.layers)
        sized = (*SIZED, *RESIDUAL) if bounds.residual else SIZED
        for name, choices, users in (("kernel", bounds.kernels, sized), ("filters", bounds.filters, SIZED)):
            _add_choice(space, f"{prefix}{name}{i}", choices, meta, ordered=True)
            space.add(InCondition(space[f"{prefix}{name}{i}"], space[f"{prefix}op{i}"], list(users)))
    for k in range(1, min(bounds.halvings, most) + 1):
        _add_choice(space, f"{prefix}halve{k}", (False, True), {"module": "halvings"})
        _when_deeper(space, f"{prefix}halve{k}", f"{prefix}layers", k, bounds.layers)


def decode_layers(bounds: Bounds, values: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The layers of the active hyperparameters."""
    n = depth(values, "layers", bounds.layers)
    places = {place for k, place in enumerate(halved(n, bounds.halvings), start=1) if values[f"halve{k}"]}
    layers = []
    for i in range(1, n + 1):
        operation, stride = values[f"op{i}"], 2 if i in places else 1
        if operation in SIZED:
            layers.append(Layer(operation, int(values[f"kernel{i}"]), int(values[f"filters{i}"]), stride))
        elif operation in RESIDUAL:
            kind = operation.removeprefix("residual_")
            layers.append(Layer(kind, int(values[f"kernel{i}"]), 0, stride, residual=True))
        else:
            layers.append(Layer(operation, 3, 0, stride))
    return tuple(layers)


def encode_layers(bounds: Bounds, layers: Any) -> dict[str, Any]:
    """The hyperparameters of layers."""
    values: dict[str, Any] = encode_depth("layers", len(layers), bounds.layers)
    places = list(halved(len(layers), bounds.halvings))
    for k, place in enumerate(places, start=1):
        values[f"halve{k}"] = layers[place - 1].stride == 2
    for i, layer in enumerate(layers, start=1):
        if layer.stride == 2 and i not in places:
            raise GenotypeError(f"layer {i} has stride 2; with {bounds.halvings} halvings only {places} may")
        values[f"op{i}"] = f"residual_{layer.operation}" if layer.residual else layer.operation
        if layer.operation in SIZED:
            values[f"kernel{i}"] = layer.kernel
        if layer.filters:
            values[f"filters{i}"] = layer.filters
    return values


def add_depth(space: ConfigurationSpace, name: str, bounds: tuple[int, int], counted: str) -> None:
    """Add a number of layers, unless there is nothing to choose."""
    from ConfigSpace import Integer

    low, high = bounds
    if low < high:
        space.add(Integer(name, (low, high), default=low, meta={"depth": True, "counted": counted}))


def encode_depth(name: str, n: int, bounds: tuple[int, int]) -> dict[str, int]:
    """The number of layers, where there is something to choose."""
    if not bounds[0] <= n <= bounds[1]:
        raise GenotypeError(f"there are {n} {name}; the space has {bounds[0]} to {bounds[1]}")
    return {name: n} if bounds[0] < bounds[1] else {}


def depth(values: Mapping[str, Any], name: str, bounds: tuple[int, int]) -> int:
    """The number of layers of a configuration."""
    return int(values.get(name, bounds[0]))


def _add_choice(
    space: ConfigurationSpace,
    name: str,
    choices: tuple[Any, ...],
    meta: Mapping[str, Any],
    *,
    ordered: bool = False,
    default: Any = None,
) -> None:
    from ConfigSpace import Categorical

    if not choices:
        raise GenotypeError(f"{name} has no choices; give at least one")
    if ordered and any(a >= b for a, b in pairwise(choices)):
        raise GenotypeError(f"{name} has the choices {choices!r}; give them in rising order")
    first = choices[0] if default is None else default
    space.add(Categorical(name, choices, default=first, ordered=ordered and len(choices) > 1, meta=dict(meta)))


def _when_deeper(space: ConfigurationSpace, name: str, parent: str, layer: int, bounds: tuple[int, int]) -> None:
    """Active where there are at least so many layers."""
    from ConfigSpace import GreaterThanCondition

    if bounds[0] < layer:
        space.add(GreaterThanCondition(space[name], space[parent], layer - 1))
