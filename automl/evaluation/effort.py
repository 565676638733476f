"""How many epochs of a network fit into the seconds that a full trial may take, told before it is trained.

Counted and not timed, so that a run depends on its settings alone and a trial can be continued on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

FLOPS_PER_SECOND = 28e9
"""Of one CPU core in training, forwards and backwards (measured: 20 to 35 for layers of 128 to 512 units)."""
IMAGE_FLOPS_PER_SECOND, IMAGE_VALUE_SECONDS = 85e9, 3e-9
"""The same of convolutions, and seconds for each number that they, norms and activations give: these are bound by
memory (measured on one core, for residual networks of 16 to 32 filters: 105e9 and 2.6e-9; both cores take longer)."""
MIXED_FLOPS_PER_SECOND, MIXED_VALUE_SECONDS = 500e9, 4.5e-9
"""The same in bfloat16 by matrix units (measured: 600e9 and 4e-9)."""
CALL_SECONDS = 8e-5
"""Of a step for each call of torch in a forward pass, beside its arithmetic: with its way back, and the optimizer's."""
PREDICTED_FLOPS = 15e9
"""Operations a second of one CPU core in the products of predicting, which is in double precision …"""
PREDICTED_VALUES = 1e9
"""… and values a second that it reads, works on and writes between them (measured: 0.2 to 2, by the function)."""
PASSES = 3
"""A backward pass costs about two forward passes."""
FEWEST_EPOCHS, FEWEST_IMAGE_EPOCHS = 8, 3
"""A shorter run learns too little to be worth its seconds."""
COUNTED_ROWS = 2


@dataclass(frozen=True)
class Work:
    """Of a forward pass.

    Attributes
    ----------
    flops: floating-point operations for one row, of matrix products and convolutions only.
    calls: operations of torch, whatever the rows.
    values: numbers that these give for one row.
    """

    flops: float
    calls: int
    values: float = 0.0

    @property
    def predicting(self) -> float:
        """Seconds of a CPU core to predict one of many rows."""
        return self.flops / PREDICTED_FLOPS + self.values / PREDICTED_VALUES


def forward_work(network: nn.Module, numbers: Tensor, codes: Tensor) -> Work:
    """What a forward pass takes, counted on the first rows given."""
    was_training = network.training
    network.eval()
    few, coded = numbers[:COUNTED_ROWS], codes[:COUNTED_ROWS]
    with torch.no_grad(), _Counter() as counter:
        network(few, coded)
    network.train(was_training)
    return Work(counter.flops / len(few), counter.calls, counter.values / len(few))


@dataclass(frozen=True)
class Pace:
    """How fast a CPU core trains.

    Attributes
    ----------
    flops_per_second: of products and convolutions, forwards and backwards.
    value_seconds: for each number that a forward pass gives, its way back included; 0 where it is counted in the calls.
    fewest: epochs of the shortest run.
    """

    flops_per_second: float = FLOPS_PER_SECOND
    value_seconds: float = 0.0
    fewest: int = FEWEST_EPOCHS


TABLES = Pace()
IMAGES = Pace(IMAGE_FLOPS_PER_SECOND, IMAGE_VALUE_SECONDS, FEWEST_IMAGE_EPOCHS)
MIXED_IMAGES = Pace(MIXED_FLOPS_PER_SECOND, MIXED_VALUE_SECONDS, FEWEST_IMAGE_EPOCHS)


def affordable_epochs(
    work: Work,
    rows: int,
    batch_size: int,
    *,
    networks: int,
    together: bool,
    seconds: float,
    most: int,
    pace: Pace = TABLES,
) -> int:
    """Epochs of a full run of `networks` networks on `rows` rows each that take about `seconds` on a CPU core.

    Parameters
    ----------
    work: of a forward pass in training.
    together: whether the networks take their steps as one.
    most: epochs that a full run has where time is no matter.

    Returns
    -------
    In [min(pace.fewest, most), most].

    Examples
    --------
    >>> affordable_epochs(Work(1e6, 10), 2500, 250, networks=5, together=False, seconds=30.0, most=100)
    21
    """
    row = PASSES * work.flops / pace.flops_per_second + work.values * pace.value_seconds
    arithmetic = networks * min(batch_size, rows) * row
    epoch = (arithmetic + (1 if together else networks) * work.calls * CALL_SECONDS) * max(1, rows // batch_size)
    return max(min(pace.fewest, most), min(most, int(seconds / epoch)))


class _Counter(TorchDispatchMode):
    """Counts calls, what they give, and the operations of products and convolutions by torch's own formulas."""

    calls = 0
    flops = 0
    values = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Skipping it imports it: 1.3 s in every worker, which `FlopCounterMode` takes too. Nothing is compiled here.
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls += 1
        given = func._schema.returns[0].alias_info if func._schema.returns else None
        if isinstance(out, Tensor) and (given is None or given.is_write):  # and no view, which costs nothing
            self.values += out.numel()
        formula: Callable[..., int] | None = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=out)
        return out
