"""Weights handed from a parent's network to its child's, so that the child computes what its parent does.

Chen, Goodfellow & Shlens (2016), "Net2Net", arXiv:1511.05641, section 2: a wider layer repeats some of its units, and
what reads them shares its weights out among them; a deeper network gets the identity. There the shares are equal and
noise is added, since units that are read alike learn alike and stay copies; here they are unequal, which changes
nothing that is computed. Layers behind a batch norm that begin as the identity need its statistics from some inputs.
Otherwise by name and shape (Real et al. 2017, "Large-Scale Evolution of Image Classifiers", arXiv:1703.01041, section
3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from automl.errors import GenotypeError
from automl.genotypes.correspondence import Correspondence, Origin, Taken, sources
from automl.genotypes.genotype import build
from automl.genotypes.morphs import Link, links_of
from automl.genotypes.network import Network
from automl.genotypes.plan import Plan, Shape, Step

if TYPE_CHECKING:
    from automl.genotypes.genotype import Genotype

Weights = Mapping[str, Tensor]
SHARES = (0.5, 1.5)
"""Bounds of what the weights of copies are drawn in proportion to."""


def inherit(
    parent: Genotype,
    weights: Weights,
    child: Genotype,
    rng: np.random.Generator,
    *,
    shape: Shape,
    batch: Tensor | None = None,
) -> tuple[dict[str, Tensor], bool]:
    """Weights of a child, whatever changed: by morphisms where some lead to it, by name and shape otherwise.

    Parameters
    ----------
    weights: state dict of the parent's network.
    shape: of one input. batch: some inputs (n, *shape); without, layers with a batch norm that could begin as the
        identity begin at random.

    Returns
    -------
    A state dict, and whether the child computes what its parent does.
    """
    link = None
    for found in links_of(parent, child):
        link = link or found
        with suppress(GenotypeError):  # raised where no morphism leads there: by name and shape then
            return handed_on(parent, weights, child, found, rng, shape=shape, batch=batch), True
    fresh = fresh_weights(child, shape, outputs_of(weights), rng)
    if link is None:
        return by_name(weights, fresh), False
    plans = parent.plan(shape, outputs_of(weights)), child.plan(shape, outputs_of(weights))
    return by_name(weights, fresh, _names(*plans, link)), False


def handed_on(
    parent: Genotype,
    weights: Weights,
    child: Genotype,
    link: Link,
    rng: np.random.Generator,
    *,
    shape: Shape,
    batch: Tensor | None = None,
) -> dict[str, Tensor]:
    """Weights of a child that corresponds to its parent as the link says; see `Morph.transfer`.

    Raises
    ------
    GenotypeError: the child cannot compute what its parent does, or the batch is missing.
    """
    outputs = outputs_of(weights)
    plans = parent.plan(shape, outputs), child.plan(shape, outputs)
    if link.identities and batch is None and any(step.kind == "norm" for step in plans[1].steps):
        raise GenotypeError("a layer with a batch norm begins as the identity of a batch; give `batch`")
    kinds = [[(step.name, step.kind) for step in plan.steps] for plan in plans]
    if not link.exact and kinds[0] != kinds[1]:  # not narrower alone
        return by_name(weights, fresh_weights(child, shape, outputs, rng), _names(*plans, link), overlap=True)
    found = Correspondence(*plans, link, rng, _importance(plans[0], weights))
    found.check()
    made = converted(found, weights, fresh_weights(child, shape, outputs, rng))
    if link.identities and batch is not None:
        made = fit_norms(build(child, shape, outputs), made, found.began("identity", "norm"), batch)
    return made


def converted(found: Correspondence, weights: Weights, fresh: Weights) -> dict[str, Tensor]:
    """The child's weights as a correspondence says; fresh ones where it says nothing."""
    made = {name: tensor.clone() for name, tensor in fresh.items()}
    steps = {step.name: step for step in found.child.steps}
    for name, taken in found.taken.items():
        for entry in _entries(name, fresh):
            part = entry.removeprefix(f"{name}.")
            made[entry] = _entry(steps[name], part, taken, weights, fresh[entry], found.rng)
    return made


def by_name(
    weights: Weights, fresh: Weights, names: Mapping[str, str] | None = None, *, overlap: bool = False
) -> dict[str, Tensor]:
    """Fresh weights, with those of a parent wherever name and shape agree.

    Parameters
    ----------
    names: of the child's steps in the parent; by default they have the same.
    overlap: whether weights of other shapes give the leading part that both have.
    """
    made = {}
    for entry, own in fresh.items():
        step, _, part = entry.rpartition(".")
        theirs = weights.get(f"{step if names is None else names.get(step)}.{part}")
        if theirs is not None and theirs.shape == own.shape:
            made[entry] = theirs.clone()
        elif theirs is not None and overlap and theirs.dim() == own.dim():
            both = tuple(slice(min(a, b)) for a, b in zip(theirs.shape, own.shape, strict=True))
            made[entry] = own.clone()
            made[entry][both] = theirs[both]
        else:
            made[entry] = own.clone()
    return made


def outputs_of(weights: Weights) -> int:
    """Outputs of the network that a state dict belongs to."""
    return len(weights["classifier.bias"])


def fresh_weights(genotype: Genotype, shape: Shape, outputs: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """A state dict of a network at its beginning; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        return build(genotype, shape, outputs).state_dict()


def _entries(name: str, fresh: Weights) -> list[str]:
    return [entry for entry in fresh if entry.rpartition(".")[0] == name]


def _entry(step: Step, part: str, taken: Taken, weights: Weights, own: Tensor, rng: np.random.Generator) -> Tensor:
    """One tensor of a step."""
    if taken.how == "identity":
        return _identity(part, own)
    if taken.how == "zero":
        return torch.zeros_like(own) if part in ("weight", "bias") else own
    if taken.how == "one":
        return torch.ones_like(own)
    theirs = weights[f"{taken.source}.{part}"]
    if not theirs.dim() or step.kind == "scale":  # the number of batches that a norm has seen, a learnable number
        return theirs.clone()
    mixed = part == "weight" and (step.kind == "linear" or (step.kind == "conv" and step.groups == 1))
    rows = _gathered(theirs, taken.outputs)
    if mixed:
        rows = _columns(rows, taken.inputs, rng)
    if step.kind == "conv" and part == "weight":
        rows = _padded(rows, own.shape[2:])
    if taken.share != 1.0 and part in ("weight", "bias"):
        rows = rows * taken.share
    new = torch.from_numpy(taken.outputs < 0)
    rows[new] = own[new]
    return rows


def _gathered(theirs: Tensor, origin: Origin) -> Tensor:
    return theirs[torch.from_numpy(np.maximum(origin, 0))].clone()


def _columns(rows: Tensor, origin: Origin, rng: np.random.Generator) -> Tensor:
    """Weights that read channels which repeat others, shared out among these; 0 for new channels.

    Each row shares otherwise, so that the gradients of copies differ, in size and in direction.
    """
    known = origin >= 0
    copies = np.zeros((len(origin), rows.shape[1]))
    copies[known, origin[known]] = 1.0
    drawn = rng.uniform(*SHARES, size=(len(rows), len(origin)))
    shares = np.where(known, drawn / np.maximum(drawn @ copies, SHARES[0])[:, np.maximum(origin, 0)], 0.0)
    picked = rows[:, torch.from_numpy(np.maximum(origin, 0))]
    return picked * torch.from_numpy(shares).to(rows.dtype).reshape(*shares.shape, *(1 for _ in rows.shape[2:]))


def _padded(weight: Tensor, size: torch.Size) -> Tensor:
    """A kernel in the middle of a larger one."""
    grown = weight.new_zeros((*weight.shape[:2], *size))
    at = [(new - old) // 2 for new, old in zip(size, weight.shape[2:], strict=True)]
    grown[:, :, at[0] : at[0] + weight.shape[2], at[1] : at[1] + weight.shape[3]] = weight
    return grown


def _identity(part: str, own: Tensor) -> Tensor:
    if part != "weight" or own.dim() < 2:
        return torch.zeros_like(own) if part == "bias" else own
    made = torch.zeros_like(own)
    middle = tuple(n // 2 for n in own.shape[2:])
    for channel in range(own.shape[0]):
        made[(channel, channel if own.shape[1] > 1 else 0, *middle)] = 1.0
    return made


def fit_norms(network: nn.Module, made: Weights, names: Sequence[str], batch: Tensor) -> dict[str, Tensor]:
    """Weights with which the batch norms of these names undo what they do to a batch, in both modes."""
    network.load_state_dict(dict(made))

    def fit(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
        others = [axis for axis in range(inputs[0].dim()) if axis != 1]
        mean, variance = inputs[0].mean(others), inputs[0].var(others, unbiased=False)
        module.bias.copy_(mean)
        module.weight.copy_((variance + module.eps).sqrt())

    hooks = [network.get_submodule(name).register_forward_pre_hook(fit) for name in names]
    with torch.no_grad():
        network.train()(batch)
        fitted = {name: tensor.clone() for name, tensor in made.items()}
        for name in names:
            norm = network.get_submodule(name)
            assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            scale, shift = norm.weight.clone(), norm.bias.clone()
            values = {"weight": scale, "bias": shift, "running_mean": shift.clone()}
            values["running_var"] = scale**2 - norm.eps
            fitted |= {f"{name}.{part}": value for part, value in values.items()}
    for hook in hooks:
        hook.remove()
    return fitted


def _importance(plan: Plan, weights: Weights) -> dict[str, np.ndarray]:
    """|γ| of each channel of each norm, by which channels are kept."""
    return {s.name: weights[f"{s.name}.weight"].abs().double().numpy() for s in plan.steps if s.kind == "norm"}


def _names(parent: Plan, child: Plan, link: Link) -> dict[str, str]:
    return {name: parent.steps[place].name for name, place in sources(parent, child, link).items()}


def network_of(genotype: Genotype, weights: Weights, shape: Shape) -> Network:
    """The network of a genotype with these weights."""
    network = build(genotype, shape, outputs_of(weights))
    network.load_state_dict(dict(weights))
    assert isinstance(network, Network)
    return network
