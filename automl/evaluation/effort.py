"""How many epochs of a network fit into the seconds that a full trial may take, told before it is trained.

Counted and not timed, so that a run depends on its settings alone and a trial can be continued on a busy machine.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FLOPS_PER_SECOND = 25e9
"""Of one CPU core in training, forwards and backwards (measured: 20 to 35 for layers of 128 to 512 units)."""
STEP_SECONDS = 1e-3
"""Of a step beside its arithmetic."""
PREDICTED_FLOPS = 15e9
"""Operations a second of one CPU core in predicting, which is in double precision."""
PASSES = 3
"""A backward pass costs about two forward passes."""
FEWEST_EPOCHS = 8
"""A shorter run learns too little to be worth its seconds."""
COUNTED_ROWS = 2


def flops_per_row(network: nn.Module, numbers: Tensor, codes: Tensor) -> float:
    """Floating-point operations of a forward pass for one row, matrix products only."""
    from torch.utils.flop_counter import FlopCounterMode

    was_training = network.training
    network.eval()
    rows = slice(0, COUNTED_ROWS)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(numbers[rows], codes[rows])
    network.train(was_training)
    return counter.get_total_flops() / len(numbers[rows])


def affordable_epochs(flops: float, rows: int, batch_size: int, networks: int, *, seconds: float, most: int) -> int:
    """Epochs of a full run of `networks` networks on `rows` rows each that take about `seconds` on a CPU core.

    Parameters
    ----------
    flops: of a forward pass for one row.
    most: epochs that a full run has where time is no matter.

    Returns
    -------
    In [min(8, most), most].

    Examples
    --------
    >>> affordable_epochs(1e6, 2500, 250, 5, seconds=30.0, most=100)
    19
    """
    step = min(batch_size, rows) * PASSES * flops / FLOPS_PER_SECOND + STEP_SECONDS
    epoch = networks * step * max(1, rows // batch_size)
    return max(min(FEWEST_EPOCHS, most), min(most, int(seconds / epoch)))
