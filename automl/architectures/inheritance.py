"""Weights handed on between configurations of a family of networks for tables, and the morphisms of these families.

As between genotypes (`automl.genotypes.inheritance`), whose correspondence of plans is used: a family whose networks
are made of linear layers, norms and sums says so by `layout(shape, **config)`.

    widen (layer, units)     of a hidden layer of `mlp`, or of a group of blocks of `resnet` and those beside it that
                             are as wide; not behind layer norms, which mix all units
    deepen ()                `mlp`: a last layer that begins as the identity, behind ReLU; `resnet`: a last group, as
                             wide as the one before, whose blocks begin at 0
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from automl.architectures.layers import EXPLICIT
from automl.errors import GenotypeError
from automl.genotypes.morphs import Link, Morph

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from automl.architectures.family import Family, Shape
    from automl.architectures.layout import Layout

Config = Mapping[str, Any]
COUNTS = {"mlp": "n_layers", "resnet": "n_groups"}
"""Families with morphisms, and how each calls the number of its widths."""


def morphed(family: Family, config: Config, morph: Morph, shape: Shape) -> dict[str, Any]:
    """The configuration after a morphism, with explicit widths.

    Raises
    ------
    GenotypeError: the family does not know the morphism, or it breaks a rule here.
    """
    layout = _layout(family, config, shape)
    if layout is None or family.name not in COUNTS:
        raise GenotypeError(f"{family.name} has no morphisms with {dict(config)!r}; there are those of {list(COUNTS)}")
    widths = list(layout.widths)
    if morph.kind == "widen":
        layer, units = (int(arg) for arg in morph.args)
        if not (0 <= layer < len(widths) and units > widths[layer]):
            raise GenotypeError(f"widths are {widths}; {morph.args!r} must name one and be larger")
        if config["norm"] == "layer":
            raise GenotypeError("a layer norm mixes all units, so that no unit can be repeated; use norm 'batch'")
        widths = _widened(widths, layer, units, tied=family.name == "resnet")
    elif morph.kind == "deepen":
        if family.name == "mlp" and (config["activation"] != "relu" or config["norm"] == "layer"):
            raise GenotypeError("only ReLU without a layer norm repeats what it gave; deepen the family 'resnet'")
        if family.name == "resnet" and not config.get("skip", True):
            raise GenotypeError("without shortcuts, a new block cannot begin at 0")
        widths.append(widths[-1])
    else:
        raise GenotypeError(f"{family.name} has no {morph.kind!r}; it has widen and deepen")
    kept = {k: v for k, v in config.items() if k not in ("form", "max_units") and not k.startswith("width_")}
    explicit = {f"width_{i}": width for i, width in enumerate(widths, start=1)}
    return {**kept, "form": EXPLICIT, COUNTS[family.name]: len(widths), **explicit}


def _widened(widths: list[int], layer: int, units: int, *, tied: bool) -> list[int]:
    """The widths after one is larger; neighbours of equal width that are added to each other stay equal."""
    first, last = layer, layer
    while tied and first > 0 and widths[first - 1] == widths[layer]:
        first -= 1
    while tied and last + 1 < len(widths) and widths[last + 1] == widths[layer]:
        last += 1
    beside = [*widths[max(first - 1, 0) : first], *widths[last + 1 : last + 2]]
    if tied and units in beside:
        raise GenotypeError(f"widths are {widths}; with {units} units, group {layer} would lose a projection beside it")
    return [*widths[:first], *(units for _ in range(first, last + 1)), *widths[last + 1 :]]


def inherit(
    family: Family,
    parent: Config,
    weights: Mapping[str, Tensor],
    child: Config,
    network: nn.Module,
    shape: Shape,
    rng: np.random.Generator,
    *,
    batch: Tensor | None = None,
) -> tuple[dict[str, Tensor], bool]:
    """Weights of a child's network: by morphisms where some lead to it, by name and shape otherwise.

    Parameters
    ----------
    parent, child: configurations of the family. weights: state dict of the parent's network, which is read only.
    network: of the child, freshly made.
    batch: some inputs (n, shape.inputs), for layers with a batch norm that begin as the identity.

    Returns
    -------
    A state dict, and whether the child computes what its parent does.
    """
    from automl.genotypes.inheritance import by_name, converted, fit_norms

    fresh = network.state_dict()
    layouts = _layout(family, parent, shape), _layout(family, child, shape)
    before, after = layouts
    if before is None or after is None:
        return by_name(weights, fresh), False
    found = _correspondence(before, after, rng)
    fits = all(f"{path}.weight" in weights for path in before.modules.values())
    widened = before.plan.steps[0].shape != after.plan.steps[0].shape or _mixes(before, after)
    if found is None or widened or not fits or (found.link.identities and batch is None and after.style[1] == "batch"):
        return by_name(weights, fresh), False
    named = _renamed(weights, {path: step for step, path in before.modules.items()})
    made = converted(found, named, _renamed(fresh, {path: step for step, path in after.modules.items()}))
    made = _renamed(made, after.modules)
    if batch is not None and after.style[1] == "batch":
        names = [after.modules[name] for name in found.began("identity", "norm")]
        made = fit_norms(network, made, names, batch)
    return made, True


def _correspondence(before: Layout, after: Layout, rng: np.random.Generator) -> Any:
    """How the two correspond; None where the child cannot compute what its parent does."""
    from automl.genotypes.correspondence import Correspondence

    if before.style != after.style or len(after.widths) < len(before.widths):
        return None
    names = [step.name for step in after.plan.steps]
    a_group = before.style[3] if len(before.style) > 3 else 1
    old, layers = a_group * len(before.widths), a_group * len(after.widths)
    links = tuple(i if i < old else None for i in range(layers))
    new = range(old, layers)
    if a_group == 1 and "stem" not in names:
        link = Link(links, identities=frozenset(new) if before.style[0] == "relu" else frozenset())
    else:
        link = Link(links, zeroed=frozenset(f"layer{i}.second" for i in new))
    try:
        found = Correspondence(before.plan, after.plan, link, rng)
        found.check()
    except GenotypeError:
        return None
    return found


def _mixes(before: Layout, after: Layout) -> bool:
    """Whether a layer norm has other units than before."""
    return before.style[1] == "layer" and after.widths[: len(before.widths)] != before.widths


def _renamed(weights: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    return {f"{names[step]}.{part}": t for key, t in weights.items() for step, _, part in (key.rpartition("."),)}


def _layout(family: Family, config: Config, shape: Shape) -> Layout | None:
    of = getattr(family, "layout", None)
    made: Layout | None = None if of is None else of(shape, **config)
    return made
