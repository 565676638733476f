"""First weights in a file, and networks that begin with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from automl.errors import ArtefactError

BODY = "body."
"""Before the names of the weights of a family's own module, in a network for tables."""


def save_start(start: Mapping[str, Tensor], path: str | Path) -> None:
    """Write first weights, such as those of `automl.training.starts.learn_start`, to one safetensors file."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().clone().contiguous() for name, tensor in start.items()}, str(path))


def load_start(path: str | Path) -> dict[str, Tensor]:
    """The first weights in a file.

    Raises
    ------
    ArtefactError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"cannot read the first weights {str(path)!r}: {error}") from error


class Started(nn.Module):
    """A family's module that takes its first weights from a file, if they have its names and shapes."""

    def __init__(self, body: nn.Module, path: Path) -> None:
        super().__init__()
        self.body = body
        self.path = path

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.body(*inputs)
        return out

    @torch.no_grad()
    def prime(self, *seen: Any) -> None:
        """Before the first step; what the module itself sets by the training rows comes first."""
        own = getattr(self.body, "prime", None)
        if own is not None:
            own(*seen)
        found = {name.removeprefix(BODY): t for name, t in load_start(self.path).items() if name.startswith(BODY)}
        here = self.body.state_dict()
        if {n: t.shape for n, t in found.items()} == {n: t.shape for n, t in here.items()}:
            self.body.load_state_dict(found)
