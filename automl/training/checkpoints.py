"""What a run needs to go on, and its file: tensors as safetensors, the rest as JSON in the file's header."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.errors import ArtefactError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Member:
    """Where one network stands in its training.

    Epoch orders and dropout masks follow from (seed, epoch), and the learning rate from the epoch, so no
    generator and no schedule has a state to be kept.

    Attributes
    ----------
    weights: state dict of the network now; empty before the first epoch.
    best: state dict of its best epoch; empty when there is none.
    average: state dict of the mean of its weights; empty where none is taken.
    snapshots: epoch → state dict at its end, where a cycle of the learning rate ended.
    moments: of the optimiser: kind → parameter name → tensor.
    steps: optimiser steps taken. epoch: whole epochs trained.
    losses: validation loss after each epoch, infinite when it was not a number.
    best_epoch: 1-based; 0 when there is none. best_loss: infinite when there is none.
    best_snapshots: how many snapshots before the best epoch joined its network.
    stopped: whether it has stopped by itself (patience, or a loss that is not finite).
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    moments: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    steps: int = 0
    epoch: int = 0
    losses: tuple[float, ...] = ()
    best_epoch: int = 0
    best_loss: float = math.inf
    best_snapshots: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The members of a run, and the recipe that they follow in JSON's terms.

    A run continues only under the recipe it began with: another would give neither run's result.
    """

    members: tuple[Member, ...]
    recipe: dict[str, str | int | float | None]


def save(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write the checkpoint to one file; a reader never sees half of it."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    facts = []
    for i, member in enumerate(checkpoint.members):
        tables = {"weights": member.weights, "best": member.best, "average": member.average}
        tables |= _prefixed("moments", member.moments) | _prefixed("snapshots", member.snapshots)
        for table, entries in tables.items():
            # Cloned, since safetensors refuses tensors that share memory.
            tensors |= {f"{i}/{table}/{name}": t.detach().clone().contiguous() for name, t in entries.items()}
        plain = asdict(replace(member, weights={}, best={}, average={}, snapshots={}, moments={}))
        for tensors_of in ("weights", "best", "average", "snapshots", "moments"):
            del plain[tensors_of]
        plain["losses"] = [_finite(loss) for loss in member.losses]
        plain["best_loss"] = _finite(member.best_loss)
        facts.append(plain)
    header = json.dumps({"format": FORMAT, "recipe": checkpoint.recipe, "members": facts}, allow_nan=False)
    target = Path(path)
    unfinished = target.with_name(target.name + ".part")
    save_file(tensors, unfinished, metadata={"checkpoint": header})
    unfinished.replace(target)


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    ArtefactError: the file is missing, damaged or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {})["checkpoint"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ArtefactError(f"cannot read the checkpoint {str(path)!r}: {error}") from error
    if header.get("format") != FORMAT:
        raise ArtefactError(
            f"checkpoint {str(path)!r} has format {header.get('format')!r}, this version reads {FORMAT}; "
            "train again from the start"
        )
    tables: list[dict[str, dict[str, Tensor]]] = [{} for _ in header["members"]]
    for key, tensor in tensors.items():
        number, table, name = key.split("/", 2)
        tables[int(number)].setdefault(table, {})[name] = tensor
    members = tuple(_member(facts, found) for facts, found in zip(header["members"], tables, strict=True))
    return Checkpoint(members, header["recipe"])


def _member(facts: dict[str, object], tables: dict[str, dict[str, Tensor]]) -> Member:
    plain = Member(**facts)  # type: ignore[arg-type]  # what `save` wrote from the same fields
    return replace(
        plain,
        weights=tables.pop("weights", {}),
        best=tables.pop("best", {}),
        average=tables.pop("average", {}),
        snapshots={int(epoch): table for epoch, table in _under("snapshots", tables).items()},
        moments=_under("moments", tables),
        losses=tuple(_number(loss) for loss in plain.losses),
        best_loss=_number(plain.best_loss),
    )


def _prefixed(name: str, tables: Mapping[Any, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {f"{name}:{key}": table for key, table in tables.items()}


def _under(name: str, tables: Mapping[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    start = f"{name}:"
    return {key.removeprefix(start): table for key, table in tables.items() if key.startswith(start)}


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.inf if value is None else value
