"""Predictions that do not depend on how the rows are cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from automl.architectures.stacking import duplicate
from automl.training.losses import Loss, mean_prediction

ROWS_AT_ONCE = 2048
"""Bounds memory; fixed, since results must not depend on the machine."""


@torch.inference_mode()
def predict(
    network: nn.Module, numbers: Tensor | npt.ArrayLike, codes: Tensor | npt.ArrayLike, kind: Loss
) -> npt.NDArray[np.float64]:
    """Predictions of a network for encoded rows, on the CPU.

    Computed in float64: matrix kernels round differently for other numbers of rows, and so the same row would get
    another float32 result alone than among others. Here the difference stays far below 1e-7.

    Parameters
    ----------
    numbers: (n, d). codes: (n, c).
    kind: the loss it was trained on: "cross_entropy" gives probabilities, "squared" gives values.

    Returns
    -------
    (n, classes) probabilities that sum to one, or (n,) values ((n, outputs) when there are several); the mean where
    the network makes k predictions of a row.
    """
    exact = duplicate(network).cpu().double().eval()
    x, c = torch.as_tensor(numbers).cpu(), torch.as_tensor(codes).cpu()
    parts = [
        exact(x[i : i + ROWS_AT_ONCE].double(), c[i : i + ROWS_AT_ONCE].long())
        for i in range(0, max(1, len(x)), ROWS_AT_ONCE)
    ]
    out = torch.cat(parts)
    if out.dim() == 3:
        out = mean_prediction(kind, out)
    if kind == "cross_entropy":
        out = out.softmax(1)
    elif out.shape[1] == 1:
        out = out.squeeze(1)
    result: npt.NDArray[np.float64] = out.numpy()
    return result
