"""Pieces that several families are built from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from automl.architectures.shake import ShakeDrop, ShakeShake
from automl.errors import unknown

_ACTIVATIONS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.SiLU, nn.GELU, nn.SELU, nn.Mish)
_NORMS: tuple[type[nn.Module], ...] = (nn.BatchNorm1d, nn.LayerNorm)


def activation(name: str) -> nn.Module:
    """The activation of this name, without parameters."""
    known = {kind.__name__.lower(): kind for kind in _ACTIVATIONS}
    if name not in known:
        raise unknown("activation", name, known)
    return known[name]()


def norm(name: str, width: int) -> list[nn.Module]:
    """The norm of this name ("batch" or "layer") of `width` features, as a list that is empty for "none"."""
    if name == "none":
        return []
    known = dict(zip(("batch", "layer"), _NORMS, strict=True))
    if name not in known:
        raise unknown("norm", name, ("batch", "layer", "none"))
    return [known[name](width)]


def linear_before(name: str, inputs: int, width: int) -> nn.Linear:
    """A linear map in front of the norm of this name, without a bias where the norm would subtract it."""
    return nn.Linear(inputs, width, bias=name != "batch")


def dropout(p: float) -> list[nn.Module]:
    """Dropout of rate `p`, as a list that is empty for 0."""
    return [nn.Dropout(p)] if p > 0 else []


@dataclass(frozen=True, slots=True)
class ResidualStyle:
    """What the blocks of a residual network have in common.

    Attributes
    ----------
    act: name of an activation. norm: "batch", "layer" or "none".
    skip: whether there is a shortcut beside the branch.
    shake_shake: rule by which two branches are mixed, one of `shake.RULES`, or None for one branch.
    """

    act: str
    norm: str = "batch"
    skip: bool = True
    shake_shake: str | None = None


class Residual(nn.Module):
    """Pre-activation block (He et al. 2016, arXiv:1603.05027): norm → act → linear → norm → act → dropout → linear.

    Maps (…, inputs) to (…, width). The shortcut is the identity, or a linear projection where widths differ.

    Parameters
    ----------
    dropout: rate in the branch, in [0, 1).
    shake_drop: probability that the branch is shaken (see `shake.ShakeDrop`), in [0, 1]; 0 for never.
    """

    def __init__(
        self, inputs: int, width: int, style: ResidualStyle, *, dropout: float, shake_drop: float = 0.0
    ) -> None:
        super().__init__()
        self.branch = _branch(inputs, width, style, dropout)
        self.twin = _branch(inputs, width, style, dropout) if style.shake_shake else None
        self.mix = ShakeShake(style.shake_shake) if style.shake_shake else None
        self.drop = ShakeDrop(shake_drop) if shake_drop > 0 else None
        self.shortcut: nn.Module | None = None
        if style.skip:
            self.shortcut = nn.Identity() if inputs == width else nn.Linear(inputs, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.branch(x)
        if self.twin is not None and self.mix is not None:
            out = self.mix(out, self.twin(x))
        if self.drop is not None:
            out = self.drop(out)
        return out if self.shortcut is None else out + self.shortcut(x)


def _branch(inputs: int, width: int, style: ResidualStyle, rate: float) -> nn.Sequential:
    return nn.Sequential(
        *norm(style.norm, inputs),
        activation(style.act),
        linear_before(style.norm, inputs, width),
        *norm(style.norm, width),
        activation(style.act),
        *dropout(rate),
        nn.Linear(width, width),
    )
