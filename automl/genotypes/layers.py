"""Layers of chains and branches: what one is, and its steps in a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automl.errors import GenotypeError, unknown
from automl.genotypes.plan import Draft

WEIGHTED = ("conv", "sep_conv", "dense")
"""Operations with weights and a width of their own."""

OPERATIONS = (*WEIGHTED, "max_pool", "avg_pool", "relu", "skip")
"""`skip` and `relu` are junctions, where sums meet."""

ORDERS = ("conv-norm-relu", "norm-relu-conv", "relu-conv-norm")
"""Of plain networks and VGG; of DenseNet and pre-activation ResNet; of cells. Nothing stands before the first layer."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer.

    Attributes
    ----------
    operation: a name of `OPERATIONS`.
    kernel: odd, of convolutions and pools; also 2 for pools.
    filters: output channels or units of layers with weights, >= 1; 0 for layers that keep their width.
    stride: 1 or 2; 1 for dense layers and junctions.
    residual: whether what a layer with weights gives is multiplied by a learnable number, 0 at first, and added to
        what it takes. Such a layer keeps its width; with a stride of 2, what it takes is averaged.
    """

    operation: str
    kernel: int = 1
    filters: int = 0
    stride: int = 1
    residual: bool = False

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise unknown("operation", self.operation, OPERATIONS)
        pool = self.operation in ("max_pool", "avg_pool")
        kernels = (1, 2, 3, 5, 7) if pool else (1, 3, 5, 7) if self.operation in ("conv", "sep_conv") else (1,)
        if self.kernel not in kernels:
            raise GenotypeError(f"a {self.operation} layer has kernel {self.kernel!r}; it must be one of {kernels}")
        strides = (1, 2) if pool or self.operation in ("conv", "sep_conv") else (1,)
        if self.stride not in strides:
            raise GenotypeError(f"a {self.operation} layer has stride {self.stride!r}; it must be one of {strides}")
        if self.residual and self.operation not in WEIGHTED:
            raise GenotypeError(f"a {self.operation} layer is residual; only layers with weights can be: {WEIGHTED}")
        free = self.operation in WEIGHTED and not self.residual
        if free != (isinstance(self.filters, int) and self.filters >= 1):
            rule = "at least 1" if free else "0, since it keeps its width"
            raise GenotypeError(f"a {self.operation} layer has {self.filters!r} filters; it must have {rule}")

    @property
    def label(self) -> str:
        """Such as `conv_3x3`, with `/2` for a stride of 2."""
        sized = self.operation not in ("dense", "relu", "skip")
        name = f"{self.operation}_{self.kernel}x{self.kernel}" if sized else self.operation
        name = {"skip": "skip_connect"}.get(name, name) + ("/2" if self.stride == 2 else "")
        return f"residual_{name}" if self.residual else name


def checked(layers: tuple[Layer, ...], order: str) -> None:
    """GenotypeError where layers or order break a rule."""
    if not layers:
        raise GenotypeError("there is no layer; give at least one")
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    dense = [i for i, layer in enumerate(layers) if layer.operation == "dense"]
    late = [i for i, layer in enumerate(layers) if dense and i > dense[0] and layer.operation != "dense"]
    if late:
        raise GenotypeError(
            f"layer {late[0]} is a {layers[late[0]].operation} after the dense layer {dense[0]}; dense layers come last"
        )


def layers_of(fields: Any) -> tuple[Layer, ...]:
    """Layers as JSON has them."""
    return tuple(Layer(**each) for each in fields)


def write(draft: Draft, at: int, layer: Layer, order: str, name: str, *, first: bool) -> int:
    """Write a layer; `first` says that it reads the input, before which no norm and no ReLU stands."""
    if layer.operation in ("max_pool", "avg_pool"):
        kind = layer.operation.partition("_")[0]
        return draft.pool(at, kind, layer.kernel, name, stride=layer.stride)
    if layer.operation == "skip":
        return at
    if layer.operation == "relu":
        return draft.relu(at, name)
    if layer.operation == "dense" and draft.shape(at)[1:] != (1, 1):
        at = draft.global_pool(at, f"{name}.pool")
    path = _ordered(draft, at, layer, order, name, first=first)
    if not layer.residual:
        return path
    path = draft.scale(path, f"{name}.scale")
    if layer.stride == 2:
        at = draft.pool(at, "avg", 3, f"{name}.mean", stride=2)
    return draft.sum((at, path), f"{name}.added")


def finish(draft: Draft, at: int, order: str) -> int:
    """What stands before the classifier: the last norm and ReLU where the order leaves them open."""
    if order == "norm-relu-conv":
        return draft.relu(draft.norm(at, "last.norm"), "last.relu")
    return at


def _ordered(draft: Draft, at: int, layer: Layer, order: str, name: str, *, first: bool) -> int:
    """Weights, norm and ReLU of a layer."""
    if order == "conv-norm-relu":
        at = draft.norm(_weights(draft, at, layer, name), f"{name}.norm")
        return draft.relu(at, f"{name}.relu")
    if order == "norm-relu-conv" and not first:
        at = draft.norm(at, f"{name}.norm")
    if not first:
        at = draft.relu(at, f"{name}.relu")
    at = _weights(draft, at, layer, name)
    return draft.norm(at, f"{name}.norm") if order == "relu-conv-norm" else at


def _weights(draft: Draft, at: int, layer: Layer, name: str) -> int:
    inputs = draft.shape(at)[0]
    filters = layer.filters or inputs
    if layer.operation == "dense":
        return draft.linear(at, filters, f"{name}.dense")
    if layer.operation == "conv":
        return draft.conv(at, filters, layer.kernel, f"{name}.conv", stride=layer.stride)
    at = draft.conv(at, inputs, layer.kernel, f"{name}.depthwise", stride=layer.stride, groups=inputs)
    return draft.conv(at, filters, 1, f"{name}.pointwise")
