"""Predictions that do not depend on how the rows are cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from automl.architectures.stacking import duplicate
from automl.training.data import rows_at_once
from automl.training.losses import Loss, mean_prediction

ROWS_AT_ONCE = 2048
"""Bounds memory; fixed, since results must not depend on the machine."""


@torch.inference_mode()
def predict(
    network: nn.Module, numbers: Tensor | npt.ArrayLike, codes: Tensor | npt.ArrayLike, kind: Loss
) -> npt.NDArray[np.float64]:
    """Predictions of a network for encoded rows, on the CPU.

    Computed in float64: matrix kernels round differently for other numbers of rows, and so the same row would get
    another float32 result alone than among others. Here the difference stays far below 1e-7. Convolutions have no fast
    kernels in float64: images are predicted in float32, and the difference stays below 1e-5.

    Parameters
    ----------
    numbers: (n, d), or images (n, channels, height, width). codes: (n, c).
    kind: the loss it was trained on: "cross_entropy" gives probabilities, "squared" gives values.

    Returns
    -------
    (n, classes) probabilities that sum to one, or (n,) values ((n, outputs) when there are several); the mean where
    the network makes k predictions of a row.
    """
    x, c = _tensor(numbers).cpu(), _tensor(codes).cpu()
    images = x.dim() == 4
    exact = duplicate(network).cpu().to(torch.float32 if images else torch.float64).eval()
    step = rows_at_once(x, ROWS_AT_ONCE)
    parts = [
        exact(x[i : i + step] if images else x[i : i + step].double(), c[i : i + step].long())
        for i in range(0, max(1, len(x)), step)
    ]
    out = torch.cat(parts).double()
    if out.dim() == 3:
        out = mean_prediction(kind, out)
    if kind == "cross_entropy":
        out = out.softmax(1)
    elif out.shape[1] == 1:
        out = out.squeeze(1)
    result: npt.NDArray[np.float64] = out.numpy()
    return result


def _tensor(values: Tensor | npt.ArrayLike) -> Tensor:
    """A tensor of the values; an array that may not be written to, which torch warns of, is copied."""
    if isinstance(values, Tensor):
        return values
    return torch.from_numpy(np.require(values, requirements="W"))
