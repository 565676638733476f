"""Residual network for tables: groups of pre-activation blocks, each group of one width.

Sources: Auto-Net 2.0 (Mendoza et al. 2018), `resnet` and `shapedresnet`; Gorishniy et al. 2021 (arXiv:2106.11959) for
residual networks as strong baselines on tables; Kadra et al. 2021 (arXiv:2106.11189) for the switches of skip
connections, shake-shake and shake-drop, at most one of the two. Deviations: units are capped for CPUs, and the shape
of the dropout goes over blocks rather than groups, of which there are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from automl.architectures.family import Shape
from automl.architectures.layers import add_dropout, add_widths, hidden_widths
from automl.architectures.layout import Layout
from automl.architectures.shapes import shares

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import nn

    from automl.genotypes.plan import Draft


class ResNet:
    """Stem, groups × blocks, norm → activation → head."""

    name = "resnet"
    members = True
    widths = ("max_units", "width_")
    cells: ClassVar[dict[str, int]] = {"n_blocks": 1}

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace, EqualsCondition, Float, InCondition, Integer

        space = ConfigurationSpace()
        space.add(
            Integer("n_groups", (1, 4), default=1),
            Integer("n_blocks", (1, 4), default=2),
            Categorical("activation", ["relu", "silu", "gelu", "selu"], default="relu"),
            Categorical("norm", ["batch", "layer", "none"], default="batch", weights=[0.8, 0.1, 0.1]),
            Categorical("skip", [True, False], default=True, weights=[0.9, 0.1]),
            Categorical("shake", ["none", "shake_shake", "shake_drop"], default="none", weights=[0.8, 0.1, 0.1]),
            Categorical("shake_rule", ["even_even", "shake_even", "shake_shake"], default="even_even"),
            Float("shake_drop", (0.0, 1.0), default=0.5),
        )
        # Neither norms nor shortcuts: beyond a few layers, nothing would be learned.
        space.add(InCondition(space["skip"], space["norm"], ["batch", "layer"]))
        space.add(EqualsCondition(space["shake"], space["skip"], True))
        space.add(EqualsCondition(space["shake_rule"], space["shake"], "shake_shake"))
        space.add(EqualsCondition(space["shake_drop"], space["shake"], "shake_drop"))
        add_dropout(space)
        add_widths(space, "n_groups", deepest=4, default=128)
        return space

    def build(
        self,
        shape: Shape,
        *,
        form: str,
        n_groups: int,
        n_blocks: int,
        activation: str,
        norm: str,
        dropout: float = 0.0,
        skip: bool = True,
        shake: str = "none",
        shake_rule: str = "even_even",
        shake_drop: float = 0.0,
        dropout_shape: str = "constant",
        max_units: int | None = None,
        **widths: int,
    ) -> nn.Module:
        """A module from (…, shape.inputs) to (…, shape.outputs) logits."""
        from torch import nn

        from automl.architectures import blocks
        from automl.architectures.shake import drop_probabilities

        style = blocks.ResidualStyle(activation, norm, skip, shake_rule if shake == "shake_shake" else None)
        groups = hidden_widths(shape, form, n_groups, max_units, widths)
        each = [width for width in groups for _ in range(n_blocks)]
        drops = drop_probabilities(shake_drop if shake == "shake_drop" else 0.0, len(each))
        inputs = groups[0]
        layers: list[nn.Module] = [nn.Linear(shape.inputs, inputs)]
        for width, share, drop in zip(each, shares(dropout_shape, len(each)), drops, strict=True):
            layers.append(blocks.Residual(inputs, width, style, dropout=dropout * share, shake_drop=drop))
            inputs = width
        head = nn.Linear(inputs, shape.outputs)
        return nn.Sequential(*layers, *blocks.norm(norm, inputs), blocks.activation(activation), head)

    def layout(
        self,
        shape: Shape,
        *,
        form: str,
        n_groups: int,
        n_blocks: int,
        activation: str,
        norm: str,
        dropout: float = 0.0,
        skip: bool = True,
        shake: str = "none",
        shake_rule: str = "even_even",
        shake_drop: float = 0.0,
        dropout_shape: str = "constant",
        max_units: int | None = None,
        **widths: int,
    ) -> Layout | None:
        """The layers that `build` makes of the same hyperparameters; None where branches are mixed at random."""
        from automl.genotypes.plan import Draft

        if shake != "none":
            return None
        groups = hidden_widths(shape, form, n_groups, max_units, widths)
        draft, modules = Draft((shape.inputs, 1, 1)), {"stem": "0"}
        at = draft.linear(0, groups[0], "stem")
        each = [width for width in groups for _ in range(n_blocks)]
        for i, (width, share) in enumerate(zip(each, shares(dropout_shape, len(each)), strict=True)):
            at = _block(draft, at, width, i, modules, norm=norm, skip=skip, drops=dropout * share > 0)
        place = 1 + len(each)
        if norm != "none":
            at = draft.norm(at, "last.norm")
            modules["last.norm"] = str(place)
            place += 1
        draft.linear(draft.relu(at, "last.act"), shape.outputs, "classifier")
        modules["classifier"] = str(place + 1)
        return Layout(draft.plan(), modules, (activation, norm, skip, n_blocks), groups)


def _block(
    draft: Draft, at: int, width: int, number: int, modules: dict[str, str], *, norm: str, skip: bool, drops: bool
) -> int:
    """The steps of `blocks.Residual`; notes the paths of its modules."""
    name, path, start, place = f"layer{number}", f"{number + 1}.branch", at, 0
    inputs = draft.shape(at)[0]
    for part in ("first", "second"):
        if norm != "none":
            at = draft.norm(at, f"{name}.{part}_norm")
            modules[f"{name}.{part}_norm"] = f"{path}.{place}"
            place += 1
        at = draft.relu(at, f"{name}.{part}_act")
        place += 1 + (drops and part == "second")
        at = draft.linear(at, width, f"{name}.{part}")
        modules[f"{name}.{part}"] = f"{path}.{place}"
        place += 1
    if not skip:
        return at
    if inputs != width:
        start = draft.linear(start, width, f"{name}.shortcut")
        modules[f"{name}.shortcut"] = f"{number + 1}.shortcut"
    return draft.sum((at, start), f"{name}.sum")
