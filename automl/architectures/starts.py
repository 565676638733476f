"""First weights in a file, and networks that begin with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from automl.errors import ArtefactError, SettingError

BODY = "body."
"""Before the names of the weights of a family's own module, in a network for tables."""


def save_start(start: Mapping[str, Tensor], path: str | Path) -> None:
    """Write first weights, such as those of `automl.training.starts.learn_start`, to one safetensors file.

    Raises
    ------
    ArtefactError: it cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    held = {name: tensor.detach().clone().contiguous() for name, tensor in start.items()}
    try:
        save_file(held, str(path))
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"cannot write the first weights to {str(path)!r}: {error}") from error


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


def check_start(path: str | Path) -> None:
    """Read which weights a file holds, not the weights.

    Raises
    ------
    SettingError: there is no such file, it is damaged, or it has no weights of a family's module.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise SettingError(f"there is no file {str(path)!r}; write it by `automl.architectures.starts.save_start`")
    try:
        with safe_open(str(path), framework="pt") as held:
            names = list(held.keys())
    except (OSError, SafetensorError) as error:
        raise SettingError(
            f"{str(path)!r} holds no first weights ({error}); write it by `automl.architectures.starts.save_start`"
        ) from error
    if not any(name.startswith(BODY) for name in names):
        raise SettingError(
            f"{str(path)!r} holds {', '.join(map(repr, names[:3])) or 'nothing'}, and no name that begins with "
            f"{BODY!r}: learn the start of a whole network, such as `automl.architectures.inputs.tabular_network` makes"
        )


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
