"""The members axis: several networks of one shape as one network that trains them side by side.

A leaf with parameters becomes its member leaf, whose tensors are those of the networks stacked along a new first
dimension; containers and activations stay. So (members, rows, d) goes in, (members, rows, outputs) comes out,
and `unstack` gives back the state dict of any member under the ordinary names.

Batched training of independent networks as one matrix product is known from TabM (Gorishniy et al. 2025,
arXiv:2410.24210) and from pytabkit's RealMLP (Holzmüller et al. 2024, arXiv:2407.04491).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.architectures.dropout import MemberDropout
from automl.architectures.shake import ShakeDrop, ShakeShake
from automl.errors import SettingError


class MemberLinear(nn.Module):
    """One linear map per member: (M, B, inputs) → (M, B, outputs); weight (M, outputs, inputs)."""

    def __init__(self, leaves: Sequence[nn.Linear]) -> None:
        super().__init__()
        weight = _stacked([leaf.weight for leaf in leaves])
        # Lies in memory as (M, inputs, outputs), so that the product and its gradient need no transposition.
        weight = weight.transpose(1, 2).contiguous().transpose(1, 2)
        self.weight = nn.Parameter(weight, requires_grad=leaves[0].weight.requires_grad)
        self.bias = _parameter([leaf.bias for leaf in leaves])

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.shape[0] == 1:
            return F.linear(x, self.weight.squeeze(0), None if self.bias is None else self.bias.squeeze(0))
        if self.bias is None:
            return torch.bmm(x, self.weight.transpose(1, 2))
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.transpose(1, 2))


class MemberBatchNorm(nn.Module):
    """Batch norm with statistics of each member's own rows: (M, B, width) → (M, B, width)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, leaves: Sequence[nn.BatchNorm1d]) -> None:
        super().__init__()
        first = leaves[0]
        if not first.track_running_stats or first.momentum is None:
            raise SettingError("members need BatchNorm1d with track_running_stats=True and a momentum, got none")
        self.eps, self.momentum = first.eps, first.momentum
        self.weight = _parameter([leaf.weight for leaf in leaves])
        self.bias = _parameter([leaf.bias for leaf in leaves])
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, _stacked([getattr(leaf, name) for leaf in leaves]))

    def forward(self, x: Tensor) -> Tensor:
        members, rows, width = x.shape
        if self.training:
            self.num_batches_tracked.add_(1)
        # One batch norm over members × width channels: the kernel wants (rows, channels).
        flat = F.batch_norm(
            x.transpose(0, 1).reshape(rows, members * width),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            None if self.weight is None else self.weight.view(-1),
            None if self.bias is None else self.bias.view(-1),
            self.training,
            self.momentum,
            self.eps,
        )
        return flat.view(rows, members, width).transpose(0, 1)


class MemberLayerNorm(nn.Module):
    """Layer norm with each member's own scale and shift: (M, …, width) → (M, …, width)."""

    def __init__(self, leaves: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.eps, self.normalized_shape = leaves[0].eps, leaves[0].normalized_shape
        self.weight = _parameter([leaf.weight for leaf in leaves])
        self.bias = _parameter([leaf.bias for leaf in leaves])

    def forward(self, x: Tensor) -> Tensor:
        out = F.layer_norm(x, self.normalized_shape, eps=self.eps)
        broad = (1,) * (x.dim() - 1 - len(self.normalized_shape))
        if self.weight is not None:
            out = out * self.weight.view(-1, *broad, *self.normalized_shape)
        if self.bias is not None:
            out = out + self.bias.view(-1, *broad, *self.normalized_shape)
        return out


class MemberEmbedding(nn.Module):
    """One table per member: codes (M, …) → (M, …, dim); weight (M, levels, dim)."""

    offsets: Tensor

    def __init__(self, leaves: Sequence[nn.Embedding]) -> None:
        super().__init__()
        first = leaves[0]
        if first.max_norm is not None or first.sparse or first.scale_grad_by_freq or first.padding_idx is not None:
            raise SettingError(
                "members need a plain Embedding (no max_norm, sparse, scale_grad_by_freq or padding_idx)"
            )
        self.weight = nn.Parameter(_stacked([leaf.weight for leaf in leaves]), first.weight.requires_grad)
        offsets = torch.arange(len(leaves)) * first.num_embeddings
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        offsets = self.offsets.view(-1, *(1,) * (codes.dim() - 1))
        return F.embedding(codes + offsets, self.weight.flatten(0, 1))


_MEMBER_LEAVES: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.Linear: MemberLinear,
    nn.BatchNorm1d: MemberBatchNorm,
    nn.LayerNorm: MemberLayerNorm,
    nn.Embedding: MemberEmbedding,
}
_DRAWING_LEAVES: dict[type[nn.Module], Callable[[Any, int], nn.Module]] = {
    nn.Dropout: lambda leaf, members: MemberDropout(leaf.p, members),
    ShakeShake: lambda leaf, members: ShakeShake(leaf.rule, members),
    ShakeDrop: lambda leaf, members: ShakeDrop(leaf.p, members),
}
"""Leaves that draw random numbers while training → the same for several members, each with a generator of its own."""
_STACKED_LEAVES = (MemberLinear, MemberBatchNorm, MemberLayerNorm, MemberEmbedding)


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """One module that computes all `networks`: (M, B, d) → (M, B, outputs).

    Parameters
    ----------
    networks: at least one, of equal structure and tensor shapes. They are copied, not changed.

    Raises
    ------
    SettingError: a leaf with parameters or buffers that has no member form, or networks that differ.

    Examples
    --------
    >>> both = stack([nn.Linear(3, 2), nn.Linear(3, 2)])
    >>> tuple(both(torch.zeros(2, 5, 3)).shape)
    (2, 5, 2)
    """
    if not networks:
        raise SettingError("stack needs at least one network, got none")
    return _stack("", list(networks))


def _stack(path: str, modules: list[nn.Module]) -> nn.Module:
    first = modules[0]
    kind = type(first)
    if any(type(module) is not kind for module in modules):
        raise SettingError(f"networks differ at {path or 'the top'!r}: only equal networks can be stacked")
    if kind in _DRAWING_LEAVES:
        return _DRAWING_LEAVES[kind](first, len(modules))
    if kind in _MEMBER_LEAVES:
        return _MEMBER_LEAVES[kind](modules)
    if next(first.parameters(recurse=False), None) is not None:
        raise SettingError(
            f"{kind.__name__} at {path or 'the top'!r} has parameters of its own and no member form "
            f"(known: {', '.join(sorted(leaf.__name__ for leaf in _MEMBER_LEAVES))}); "
            "set `members = False` on its family to train its networks one by one"
        )
    made = _shell(first)
    for name, _ in first.named_children():
        children = [getattr(module, name) for module in modules]
        made.add_module(name, _stack(f"{path}.{name}".lstrip("."), children))
    return made


def _shell(module: nn.Module) -> nn.Module:
    """A copy of the module whose children are still those of the original, to be replaced by the caller."""
    made = copy.copy(module)
    made._modules = dict(module._modules)
    made._buffers = {name: None if b is None else b.clone() for name, b in module._buffers.items()}
    return made


def with_member_dropout(network: nn.Module) -> nn.Module:
    """A copy to be trained alone, whose leaves that draw are their member forms: seeded apart, and faster."""
    if type(network) in _DRAWING_LEAVES:
        return _DRAWING_LEAVES[type(network)](network, 1)
    made = duplicate(network)
    for path, leaf in list(made.named_modules()):
        if type(leaf) in _DRAWING_LEAVES:
            parent, _, name = path.rpartition(".")
            made.get_submodule(parent).add_module(name, _DRAWING_LEAVES[type(leaf)](leaf, 1))
    return made


def duplicate(network: nn.Module) -> nn.Module:
    """A copy with parameters and buffers of its own; whatever else the modules hold is shared.

    Ten times as fast as `copy.deepcopy`, which takes milliseconds: as long as several steps of training.
    Parameters and modules that occur twice in the network also do so in the copy.
    """
    return _duplicate(network, {})


def _duplicate(module: nn.Module, seen: dict[int, Any]) -> nn.Module:
    if id(module) in seen:
        found: nn.Module = seen[id(module)]
        return found
    made = object.__new__(type(module))
    seen[id(module)] = made
    made.__dict__.update(module.__dict__)
    made._parameters = {name: _own(p, seen) for name, p in module._parameters.items()}
    made._buffers = {name: _own(b, seen) for name, b in module._buffers.items()}
    made._modules = {name: None if m is None else _duplicate(m, seen) for name, m in module._modules.items()}
    return made


def _own(tensor: Any, seen: dict[int, Any]) -> Any:
    """A copy of a parameter, buffer or None."""
    if tensor is not None and id(tensor) not in seen:
        values = tensor.detach().clone()
        is_parameter = isinstance(tensor, nn.Parameter)
        seen[id(tensor)] = nn.Parameter(values, tensor.requires_grad) if is_parameter else values
    return None if tensor is None else seen[id(tensor)]


def stacked_names(module: nn.Module) -> frozenset[str]:
    """Names of the parameters and buffers that have a members axis."""
    return frozenset(
        f"{path}.{name}".lstrip(".")
        for path, leaf in module.named_modules()
        if isinstance(leaf, _STACKED_LEAVES)
        for name, _ in chain(leaf.named_parameters(recurse=False), leaf.named_buffers(recurse=False))
    )


def unstack(module: nn.Module, m: int) -> dict[str, Tensor]:
    """State dict of member `m` for the ordinary network: copies, under the ordinary names.

    Examples
    --------
    >>> first, second = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> torch.equal(unstack(stack([first, second]), 1)["weight"], second.weight)
    True
    """
    names = stacked_names(module)
    return {
        name: (tensor[m] if name in names else tensor).detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise SettingError(f"only networks of equal shapes can be stacked, got {sorted(shapes)}")
    return torch.stack([t.detach() for t in tensors])


def _parameter(tensors: Sequence[Tensor | None]) -> nn.Parameter | None:
    present = [t for t in tensors if t is not None]
    if not present:
        return None
    if len(present) < len(tensors):
        raise SettingError("only equal networks can be stacked: some lack a bias or scale that others have")
    return nn.Parameter(_stacked(present), requires_grad=present[0].requires_grad)
