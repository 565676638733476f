"""A plan: the layers of a network as plain values, with the shape of every tensor.

A genotype says what a network is; its plan says which layers that means for inputs of a given shape. Parameters and
multiply-accumulates are read off the plan, and `build` makes the torch module from the same plan, so that what is
counted is what is built.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from automl.errors import GenotypeError

Shape = tuple[int, int, int]
"""Channels, height, width of one example; a row of a table is (columns, 1, 1)."""

KINDS = frozenset(
    {
        *("input", "conv", "norm", "relu", "max_pool", "avg_pool", "global_pool", "linear"),
        *("sum", "mixture", "concat", "zero", "shift", "scale"),
    }
)


@dataclass(frozen=True, slots=True)
class Step:
    """One layer without a branch inside.

    Attributes
    ----------
    name: unique in its plan; dots separate the modules that hold each other, as in torch.
    kind: a name of `KINDS`. "shift" moves all pixels by one up and left, "zero" gives zeros, "scale" multiplies by one
        learnable number that begins at 0 (Bachlechner et al. 2021, "ReZero is all you need", arXiv:2003.04887); a
        "mixture" is a sum whose terms have weights that the plan does not know (`automl.supernet`).
    inputs: places of earlier steps in the plan.
    shape: of its output.
    kernel, stride, dilation, groups, bias: of "conv" and of pools; padding keeps the size at stride 1.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    shape: Shape
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    bias: bool = False

    @property
    def padding(self) -> tuple[int, int]:
        """Rows and columns added at each side."""
        if self.kind in ("max_pool", "avg_pool") and self.kernel[0] % 2 == 0:
            return (0, 0)
        return (self.dilation * (self.kernel[0] // 2), self.dilation * (self.kernel[1] // 2))


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which they can run: the first is the input, the last gives the outputs."""

    steps: tuple[Step, ...]

    @property
    def parameters(self) -> int:
        """Trainable numbers."""
        return sum(_parameters(step, self.steps) for step in self.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and linear layers for one example."""
        return sum(_macs(step, self.steps) for step in self.steps)


def _weights(step: Step, steps: Sequence[Step]) -> int:
    """Numbers in the weight of a convolution or a linear layer; 0 for other kinds."""
    if step.kind not in ("conv", "linear"):
        return 0
    inputs = steps[step.inputs[0]].shape[0]
    return math.prod(step.kernel) * (inputs // step.groups) * step.shape[0]


def _parameters(step: Step, steps: Sequence[Step]) -> int:
    if step.kind == "norm":
        return 2 * step.shape[0]
    if step.kind == "scale":
        return 1
    return _weights(step, steps) + (step.shape[0] if step.bias else 0)


def _macs(step: Step, steps: Sequence[Step]) -> int:
    return _weights(step, steps) * step.shape[1] * step.shape[2]


class Draft:
    """A plan that is being written: every method adds a step and returns its place.

    Parameters
    ----------
    shape: channels, height and width of the input, each at least 1.
    """

    def __init__(self, shape: Shape) -> None:
        if len(shape) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in shape):
            raise GenotypeError(
                f"shape is {shape!r}; it must be (channels, height, width), each at least 1; "
                "a row of a table is (columns, 1, 1)"
            )
        self._steps = [Step("input", "input", (), shape)]
        self._names = {"input"}

    def plan(self) -> Plan:
        return Plan(tuple(self._steps))

    def shape(self, at: int) -> Shape:
        return self._steps[at].shape

    def conv(
        self,
        at: int,
        channels: int,
        kernel: int | tuple[int, int],
        name: str,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> int:
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        shape = self._strided(at, channels, stride)
        return self._add(Step(name, "conv", (at,), shape, size, stride, dilation, groups, bias))

    def norm(self, at: int, name: str) -> int:
        """Batch normalisation with a scale and a shift."""
        return self._add(Step(name, "norm", (at,), self.shape(at)))

    def relu(self, at: int, name: str) -> int:
        return self._add(Step(name, "relu", (at,), self.shape(at)))

    def pool(self, at: int, kind: str, kernel: int, name: str, *, stride: int = 1) -> int:
        """Pooling, kind "max" or "avg"; borders do not count in the mean. An even kernel is not padded."""
        channels, height, width = self.shape(at)
        if kernel % 2 == 0 and min(height, width) < kernel:  # nothing left to halve
            kernel, stride = 1, 1
        shape = self._strided(at, channels, stride, exact=kernel % 2 == 0)
        return self._add(Step(name, f"{kind}_pool", (at,), shape, (kernel, kernel), stride))

    def global_pool(self, at: int, name: str) -> int:
        return self._add(Step(name, "global_pool", (at,), (self.shape(at)[0], 1, 1)))

    def linear(self, at: int, units: int, name: str) -> int:
        return self._add(Step(name, "linear", (at,), (units, 1, 1), bias=True))

    def sum(self, inputs: Sequence[int], name: str) -> int:
        """The sum of several; one alone is itself."""
        return inputs[0] if len(inputs) == 1 else self._add(Step(name, "sum", tuple(inputs), self.shape(inputs[0])))

    def mixture(self, inputs: Sequence[int], name: str) -> int:
        """The weighted sum of at least one."""
        return self._add(Step(name, "mixture", tuple(inputs), self.shape(inputs[0])))

    def concat(self, inputs: Sequence[int], name: str) -> int:
        """Several along their channels; one alone is itself."""
        if len(inputs) == 1:
            return inputs[0]
        _, height, width = self.shape(inputs[0])
        channels = sum(self.shape(i)[0] for i in inputs)
        return self._add(Step(name, "concat", tuple(inputs), (channels, height, width)))

    def zero(self, at: int, name: str) -> int:
        return self._add(Step(name, "zero", (at,), self.shape(at)))

    def shift(self, at: int, name: str) -> int:
        """Moved by one pixel up and left, as the second path of a factorised reduction takes it."""
        return self._add(Step(name, "shift", (at,), self.shape(at)))

    def scale(self, at: int, name: str) -> int:
        """Multiplied by one learnable number."""
        return self._add(Step(name, "scale", (at,), self.shape(at)))

    def _strided(self, at: int, channels: int, stride: int, exact: bool = False) -> Shape:
        _, height, width = self.shape(at)
        if exact:
            return (channels, height // stride, width // stride)
        return (channels, -(-height // stride), -(-width // stride))

    def _add(self, step: Step) -> int:
        if step.name in self._names:
            raise GenotypeError(f"two steps of a plan are called {step.name!r}; each needs a name of its own")
        self._names.add(step.name)
        self._steps.append(step)
        return len(self._steps) - 1
