"""Training of the networks of one configuration, one per fold, from wherever they stand to a share of a full run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from automl.architectures.snapshots import SnapshotEnsemble
from automl.architectures.stacking import duplicate
from automl.errors import SettingError
from automl.training.checkpoints import Checkpoint, Member
from automl.training.data import FoldData
from automl.training.losses import Loss
from automl.training.predict import predict
from automl.training.recipe import Recipe
from automl.training.regularisers.snapshots import snapshots_before
from automl.training.standing import Standing, mean_losses
from automl.training.together import Together

if TYPE_CHECKING:
    import numpy.typing as npt

WIDEST_BATCHED_ON_CPU = 128
"""Above, a CPU core is bound by arithmetic and batched products are slower (tests/benchmarks/members.py)."""
HALVINGS = 2
"""How often the batch size is halved when memory runs out."""


@dataclass(frozen=True)
class Fitted:
    """What a call of `fit` gave.

    Attributes
    ----------
    networks: ordinary modules on the CPU in evaluation mode with the weights of their best epoch, one per fold; a
        `SnapshotEnsemble` where snapshots join.
    valid: predictions for each fold's validation rows, float32: (n, classes) probabilities or (n,) values;
        empty where a fold has no validation rows.
    curve: (share of a full run, mean validation loss over the folds) after each epoch, earlier calls included.
    epochs: trained by this call, the most of any fold.
    checkpoint: from which a later call continues.
    complete: False when the deadline came before the share was trained.
    """

    networks: list[nn.Module]
    valid: list[npt.NDArray[np.float32]]
    curve: tuple[tuple[float, float], ...]
    epochs: int
    checkpoint: Checkpoint
    complete: bool


@dataclass(frozen=True)
class _Run:
    """What stays the same during a call of `fit`."""

    networks: Sequence[nn.Module]
    folds: Sequence[FoldData]
    recipe: Recipe
    loss: Loss
    seeds: Sequence[int]
    until: int
    per_epoch: int
    device: str


def fit(
    networks: Sequence[nn.Module],
    folds: Sequence[FoldData],
    recipe: Recipe,
    *,
    loss: Loss,
    seeds: Sequence[int],
    until: float = 1.0,
    start_checkpoint: Checkpoint | None = None,
    deadline: float | None = None,
    device: str = "cpu",
    batched: bool | None = None,
) -> Fitted:
    """Train one network per fold to a share of a full run.

    A continued run equals an uninterrupted one bit for bit: the learning rate follows the full run, and epoch
    orders and dropout masks follow from (seed, epoch). Each epoch takes as many rows of each fold as the smallest
    fold has, so that networks trained alone and together take equal steps. The networks keep the weights of one and
    the same epoch, that of the least mean loss: an epoch of its own for each fold would follow the noise of its
    validation rows, and predictions of these rows would look better than those of others.

    Parameters
    ----------
    networks: freshly built, of one configuration, one per fold, called as `network(numbers, codes)`.
        They are read, not changed.
    seeds: one per network, of its epoch orders and dropout.
    until: share of a full run, in (0, 1]; training ends after round(until · epochs) epochs, at least one.
    start_checkpoint: from an earlier call with the same networks' shapes, folds, recipe and seeds.
    deadline: in `time.monotonic` seconds; checked before each step. What stands then is validated and returned.
    batched: whether the networks train as one along the members axis; None decides by `worth_batching`.

    Raises
    ------
    FloatingPointError: a network whose loss was never finite.
    MemoryError: memory ran out even for a quarter of the batch size.
    """
    if not len(networks) == len(folds) == len(seeds) >= 1:
        raise SettingError(
            f"fit needs as many networks as folds and seeds, got {len(networks)}, {len(folds)} and {len(seeds)}"
        )
    if not 0 < until <= 1:
        raise SettingError(f"until={until!r} is a share of a full run and must be in (0, 1]")
    facts = asdict(recipe)
    if start_checkpoint is not None and start_checkpoint.recipe != facts:
        raise SettingError("the checkpoint belongs to another recipe: continue with its own, or start without it")
    members = [Member() for _ in networks] if start_checkpoint is None else list(start_checkpoint.members)
    epochs = max(1, round(until * recipe.epochs))
    per_epoch = min(len(fold.train) for fold in folds)
    run = _Run(networks, folds, recipe, loss, list(seeds), epochs, per_epoch, device)
    as_one = train_as_one(networks, device) if batched is None else batched
    trained, complete = _with_smaller_batches(run, members, as_one, deadline)
    fitted = [_ready(network, member, recipe) for network, member in zip(networks, trained, strict=True)]
    return Fitted(
        networks=fitted,
        valid=[_validated(network, fold, loss) for network, fold in zip(fitted, folds, strict=True)],
        curve=tuple(((e + 1) / recipe.epochs, loss) for e, loss in enumerate(mean_losses(trained))),
        epochs=max(after.epoch - before.epoch for before, after in zip(members, trained, strict=True)),
        checkpoint=Checkpoint(tuple(trained), facts),
        complete=complete,
    )


def widths(network: nn.Module) -> list[int]:
    """Output widths of the linear layers of a network."""
    return [leaf.out_features for leaf in network.modules() if isinstance(leaf, nn.Linear)]


def worth_batching(widths: Sequence[int], members: int, device: str) -> bool:
    """Whether `members` networks of these layer widths train faster as one than one after another.

    A rule and no timing, since results must be the same whenever they are computed.
    """
    if members < 2 or not widths:
        return False
    return device.startswith("cuda") or max(widths) <= WIDEST_BATCHED_ON_CPU


def train_as_one(networks: Sequence[nn.Module], device: str) -> bool:
    """Whether `fit` trains these networks along the members axis, if it is not told."""
    stackable = all(getattr(network, "members", False) for network in networks)
    return stackable and worth_batching(widths(networks[0]), len(networks), device)


def _with_smaller_batches(
    run: _Run, members: Sequence[Member], batched: bool, deadline: float | None
) -> tuple[list[Member], bool]:
    """Train, with half the batch size when memory runs out."""
    for halving in range(HALVINGS + 1):
        size = max(2, run.recipe.batch_size >> halving)
        try:
            return _advance(replace(run, recipe=replace(run.recipe, batch_size=size)), members, batched, deadline)
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
    raise MemoryError(f"out of memory even with batches of {size} rows: {reason}")


def _out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def _advance(run: _Run, members: Sequence[Member], batched: bool, deadline: float | None) -> tuple[list[Member], bool]:
    """Train all members, epoch by epoch, to the end or until they stop."""
    everyone = range(len(members))
    groups = [
        Together(
            [_at(run.networks[m], members[m]) for m in chosen],
            [run.folds[m] for m in chosen],
            [members[m] for m in chosen],
            run.recipe,
            run.loss,
            [run.seeds[m] for m in chosen],
            run.per_epoch,
            run.device,
        )
        for chosen in ([everyone] if batched else [[m] for m in everyone])
    ]
    standing = Standing.of(members, run.recipe)
    whole = True
    while whole and standing.epoch < run.until and not standing.stopped:
        whole = all(group.train(standing.losses, deadline) for group in groups)
        standing.judge(groups, whole)
    return [member for group in groups for member in group.finished()], whole


def _at(network: nn.Module, member: Member) -> nn.Module:
    """The network with the weights where the member stands; itself when that is the start."""
    if not member.weights:
        return network
    made = duplicate(network)
    made.load_state_dict(member.weights)
    return made


def _ready(network: nn.Module, member: Member, recipe: Recipe) -> nn.Module:
    """The network with the weights of its best epoch, beside the snapshots that it was best with."""
    if not member.best:
        raise FloatingPointError(
            f"the loss was not finite after any of {member.epoch} epochs: "
            "a smaller learning rate, or `clip`, or scaled inputs may help"
        )
    earlier = snapshots_before(recipe, member.best_epoch)
    joined = [member.snapshots[epoch] for epoch in earlier[len(earlier) - member.best_snapshots :]]
    made = []
    for state in (*joined, member.best):
        made.append(duplicate(network))
        made[-1].load_state_dict(state)
    return (SnapshotEnsemble(made) if joined else made[0]).eval()


def _validated(network: nn.Module, fold: FoldData, loss: Loss) -> npt.NDArray[np.float32]:
    if fold.valid is None:
        return np.empty(0, dtype=np.float32)
    return predict(network, fold.valid.numbers, fold.valid.codes, loss).astype(np.float32)
