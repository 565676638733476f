"""Operations: what stands on an edge or in a layer, as steps of a plan.

Names and layers are those of DARTS (Liu, Simonyan & Yang 2019, arXiv:1806.09055, `operations.py`) and of NAS-Bench-201
(Dong & Yang 2020, arXiv:2001.00326): convolutions are ReLU, convolution, batch norm; separable ones are applied twice.
An operation of stride 2 that has no layer of its own to stride (skip) is a factorised reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from automl.errors import GenotypeError, unknown
from automl.genotypes.plan import Draft

Operation = Callable[[Draft, int, int, int, str], int]
"""(draft, input, channels, stride, name) -> output."""


def relu_conv_norm(
    draft: Draft,
    at: int,
    channels: int,
    kernel: int | tuple[int, int],
    name: str,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> int:
    """ReLU, convolution, batch norm."""
    at = draft.relu(at, f"{name}.relu")
    at = draft.conv(at, channels, kernel, f"{name}.conv", stride=stride, dilation=dilation)
    return draft.norm(at, f"{name}.norm")


def factorized_reduce(draft: Draft, at: int, channels: int, name: str) -> int:
    """Half the resolution by two 1×1 convolutions of stride 2, the second one pixel further, side by side."""
    if channels < 2:
        raise GenotypeError(f"{name} halves the resolution with {channels} channel; it needs at least 2 filters")
    at = draft.relu(at, f"{name}.relu")
    first = draft.conv(at, channels // 2, 1, f"{name}.even", stride=2)
    second = draft.conv(draft.shift(at, f"{name}.shift"), channels - channels // 2, 1, f"{name}.odd", stride=2)
    return draft.norm(draft.concat((first, second), f"{name}.concat"), f"{name}.norm")


def separable(
    draft: Draft, at: int, channels: int, kernel: int, name: str, *, stride: int = 1, dilation: int = 1
) -> int:
    """ReLU, depthwise convolution, pointwise convolution, batch norm."""
    inputs = draft.shape(at)[0]
    at = draft.relu(at, f"{name}.relu")
    at = draft.conv(at, inputs, kernel, f"{name}.depthwise", stride=stride, dilation=dilation, groups=inputs)
    return draft.norm(draft.conv(at, channels, 1, f"{name}.pointwise"), f"{name}.norm")


def _skip(draft: Draft, at: int, channels: int, stride: int, name: str) -> int:
    if stride == 2:
        return factorized_reduce(draft, at, channels, name)
    return at if draft.shape(at)[0] == channels else relu_conv_norm(draft, at, channels, 1, name)


def _conv(kernel: int) -> Operation:
    return lambda draft, at, channels, stride, name: relu_conv_norm(draft, at, channels, kernel, name, stride=stride)


def _pool(kind: str, kernel: int) -> Operation:
    def operation(draft: Draft, at: int, channels: int, stride: int, name: str) -> int:
        at = draft.pool(at, kind, kernel, name, stride=stride)
        return at if draft.shape(at)[0] == channels else relu_conv_norm(draft, at, channels, 1, f"{name}_to")

    return operation


def _separable_twice(kernel: int) -> Operation:
    def operation(draft: Draft, at: int, channels: int, stride: int, name: str) -> int:
        at = separable(draft, at, draft.shape(at)[0], kernel, f"{name}.first", stride=stride)
        return separable(draft, at, channels, kernel, f"{name}.second")

    return operation


def _dilated(kernel: int) -> Operation:
    return lambda draft, at, channels, stride, name: separable(
        draft, at, channels, kernel, name, stride=stride, dilation=2
    )


def _split(kernel: int) -> Operation:
    def operation(draft: Draft, at: int, channels: int, stride: int, name: str) -> int:
        at = draft.relu(at, f"{name}.relu")
        at = draft.conv(at, channels, (1, kernel), f"{name}.row", stride=stride)
        return draft.norm(draft.conv(at, channels, (kernel, 1), f"{name}.column"), f"{name}.norm")

    return operation


OPERATIONS: Mapping[str, Operation] = MappingProxyType(
    {
        "skip_connect": _skip,
        "conv_1x1": _conv(1),
        "conv_3x3": _conv(3),
        "conv_5x5": _conv(5),
        "sep_conv_3x3": _separable_twice(3),
        "sep_conv_5x5": _separable_twice(5),
        "sep_conv_7x7": _separable_twice(7),
        "dil_conv_3x3": _dilated(3),
        "dil_conv_5x5": _dilated(5),
        "conv_3x1_1x3": _split(3),
        "conv_7x1_1x7": _split(7),
        "max_pool_3x3": _pool("max", 3),
        "max_pool_5x5": _pool("max", 5),
        "max_pool_7x7": _pool("max", 7),
        "avg_pool_3x3": _pool("avg", 3),
    }
)
"""Operations of cells by name; `none`, where a family has it, is the absence of one."""


def add(draft: Draft, operation: str, at: int, channels: int, stride: int, name: str) -> int:
    """Write an operation; SettingError names the nearest one if there is none of this name."""
    if operation not in OPERATIONS:
        raise unknown("operation", operation, OPERATIONS)
    return OPERATIONS[operation](draft, at, channels, stride, name)


def head(draft: Draft, at: int, outputs: int) -> int:
    """The mean over all pixels, then a linear layer with a logit an output."""
    if draft.shape(at)[1:] != (1, 1):
        at = draft.global_pool(at, "pool")
    return draft.linear(at, outputs, "classifier")
