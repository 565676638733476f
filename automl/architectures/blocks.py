"""Pieces that several families are built from."""

from __future__ import annotations

from torch import Tensor, nn

from automl.errors import unknown

_ACTIVATIONS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.SiLU, nn.GELU, nn.SELU, nn.Mish)


def activation(name: str) -> nn.Module:
    """The activation of this name, without parameters."""
    known = {kind.__name__.lower(): kind for kind in _ACTIVATIONS}
    if name not in known:
        raise unknown("activation", name, known)
    return known[name]()


class Residual(nn.Module):
    """Pre-activation block (He et al. 2016, arXiv:1603.05027): norm → act → linear → norm → act → dropout → linear.

    Maps (…, inputs) to (…, width). The shortcut is the identity, or a linear projection where widths differ.
    """

    def __init__(self, inputs: int, width: int, *, act: str, dropout: float) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm1d(inputs),
            activation(act),
            nn.Linear(inputs, width, bias=False),
            nn.BatchNorm1d(width),
            activation(act),
            *([nn.Dropout(dropout)] if dropout > 0 else []),
            nn.Linear(width, width),
        )
        self.shortcut = nn.Identity() if inputs == width else nn.Linear(inputs, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x) + self.shortcut(x)
        return out
