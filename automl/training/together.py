"""Networks that take their steps together: one network alone, or several as one along the members axis."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from automl.architectures.dropout import scale_dropout, seed_dropout
from automl.architectures.rates import parameter_rates
from automl.architectures.snapshots import SnapshotEnsemble
from automl.architectures.stacking import duplicate, stack, stacked_names, with_member_dropout
from automl.training.checkpoints import Member
from automl.training.data import Batch, FoldData, Rows, TrainingRows, stream
from automl.training.losses import Loss, ValidationRows, step_loss
from automl.training.optimizers import Optimizer, clip_members
from automl.training.precision import mixed
from automl.training.recipe import Recipe
from automl.training.regularisers.augmentation import augmentation_of
from automl.training.regularisers.averaging import REFRESHED_ROWS, Average, ema_share, refresh_norms, swa_share
from automl.training.regularisers.lookahead import Lookahead
from automl.training.regularisers.snapshots import snapshots_before, snapshots_kept
from automl.training.schedules import factor, strength

SLOW = "slow"
"""Name of lookahead's weights among the moments."""


class Together:
    """Networks that stand at the same epoch and train epoch by epoch.

    Parameters
    ----------
    networks: ordinary modules of one configuration; read, not changed.
    members: where each stands; they continue from there.
    per_epoch: rows of an epoch of each member.
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        folds: Sequence[FoldData],
        members: Sequence[Member],
        recipe: Recipe,
        loss: Loss,
        seeds: Sequence[int],
        per_epoch: int,
        device: str,
    ) -> None:
        self.recipe, self.loss, self.seeds, self.device = recipe, loss, list(seeds), device
        self.cuda = device.startswith("cuda")
        self.members = list(members)
        self.epoch = self.members[0].epoch
        self.rows = TrainingRows([f.train for f in folds], per_epoch, recipe.batch_size, device)
        self.validated = all(f.valid is not None and len(f.valid) for f in folds)
        self.judged = ValidationRows(
            [f.valid if self.validated and f.valid is not None else _some(f.train) for f in folds], loss, device
        )
        alone = len(networks) == 1
        module = with_member_dropout(networks[0]) if alone else stack(networks)
        self.module = module.to(device)
        self.names = frozenset() if alone else stacked_names(self.module)
        self.generators = [torch.Generator(device=device) for _ in networks]
        parameters = {n: p for n, p in self.module.named_parameters() if p.requires_grad}
        moments = self._joined([m.moments for m in self.members])
        self.optimizer = Optimizer(
            parameters,
            recipe,
            rates=parameter_rates(networks[0]),
            moments=moments,
            steps=self.members[0].steps,
        )
        self.augmentation = augmentation_of(recipe, networks[0])
        self.lookahead = Lookahead(parameters, recipe, moments.get(SLOW, {})) if recipe.lookahead else None
        self.average = None
        if recipe.averaging != "none":
            self.average = Average(self.module, self._table([m.average for m in self.members]))
        self.followers = self._followers()
        # What is validated and kept: the weights, or their mean.
        self.candidate = self.module if self.average is None else self.average.network
        self.state: dict[str, Tensor] = dict(self.module.state_dict())
        self.candidate_state: dict[str, Tensor] = dict(self.candidate.state_dict())
        self.best = {n: t.clone() for n, t in self.candidate_state.items()}
        self._load_best()
        self.snapshots = {epoch: self._snapshot(epoch) for epoch in snapshots_kept(recipe, self.epoch)}
        # The gradient of the sum of the members' mean losses, given the mean over all.
        self.scale = torch.tensor(float(len(networks)), device=device)

    def _joined(self, tables: Sequence[dict[str, dict[str, Tensor]]]) -> dict[str, dict[str, Tensor]]:
        """Tables of tensors per member → one table of tensors as the module has them."""
        return {kind: self._table([t[kind] for t in tables]) for kind in tables[0]}

    def _table(self, tables: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        return {name: self._one([t[name] for t in tables], name) for name in tables[0]}

    def _one(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        return torch.stack(list(tensors)) if name in self.names else tensors[0]

    def _load_best(self) -> None:
        for m, member in enumerate(self.members):
            for name, tensor in member.best.items():
                (self.best[name][m] if name in self.names else self.best[name]).copy_(tensor)

    def train(self, losses: Sequence[float], deadline: float | None) -> bool:
        """Train for an epoch; False when the deadline cut it short.

        Parameters
        ----------
        losses: validation loss after each epoch so far, which the schedule "plateau" goes by.
        """
        whole = self._epoch(losses, deadline)
        self._move_average(whole)
        return whole

    def _epoch(self, losses: Sequence[float], deadline: float | None) -> bool:
        recipe, optimizer, module, steps = self.recipe, self.optimizer, self.module, len(self.rows.sizes)
        parameters, members, total = optimizer.params, len(self.members), len(self.rows.sizes) * recipe.epochs
        for generator, seed in zip(self.generators, self.seeds, strict=True):
            generator.manual_seed(stream(seed, self.epoch, 1))
        seed_dropout(module, self.generators, steps * (1 if self.augmentation is None else self.augmentation.passes))
        module.train()
        random = [] if self.augmentation is None else [_generator(seed, self.epoch) for seed in self.seeds]
        with torch.random.fork_rng(devices=[self.device] if self.cuda else [], enabled=members == 1):
            if members == 1:
                # A user's own module may draw from the global generator; ours do not.
                _seed_torch(stream(self.seeds[0], self.epoch, 2), self.cuda)
            for step, batch in enumerate(self.rows.epoch(self.seeds, self.epoch)):
                if deadline is not None and time.monotonic() > deadline:
                    return False
                progress = (self.epoch * steps + step) / total
                if recipe.dropout_schedule != "constant":
                    scale_dropout(module, strength(recipe.dropout_schedule, progress))
                loss = self._loss(batch, random)
                optimizer.zero_grad()
                loss.backward(self.scale)
                if recipe.clip is not None:
                    clip_members(parameters, members, recipe.clip)
                optimizer.step(
                    recipe.learning_rate * factor(recipe, progress, losses),
                    strength(recipe.weight_decay_schedule, progress),
                )
                for follow in self.followers:
                    follow(optimizer.steps)
        self.epoch += 1
        return True

    def _loss(self, batch: Batch, random: Sequence[np.random.Generator]) -> Tensor:
        with mixed(self.module, self.device):
            if self.augmentation is not None:
                network: Any = self.module  # `augmentation_of` has made sure that it is of the right kind
                return self.augmentation.loss(network, batch, random, self._objective)
            logits = self.module(batch.numbers, batch.codes)
        return self._objective(logits, batch)

    def _objective(self, logits: Tensor, batch: Batch) -> Tensor:
        return step_loss(self.loss, logits, batch, self.recipe.label_smoothing)

    def _followers(self) -> tuple[Callable[[int], None], ...]:
        """What follows each step, called with the steps taken so far."""
        found: list[Callable[[int], None]] = []
        if self.lookahead is not None:
            found.append(self.lookahead.after_step)
        if self.average is not None and self.recipe.averaging == "ema":
            average, recipe = self.average, self.recipe
            found.append(lambda steps: average.blend(ema_share(recipe, steps)))
        return tuple(found)

    def _move_average(self, whole: bool) -> None:
        """The mean over epochs after one more; an epoch that was cut short only counts where no other does."""
        if self.average is None or self.recipe.averaging != "swa":
            return
        share = swa_share(self.recipe, self.epoch if whole else self.epoch + 1)
        if whole or share == 1:
            self.average.blend(share)
        if whole and share < 1:
            steps = max(1, REFRESHED_ROWS // max(self.rows.sizes))
            with mixed(self.module, self.device):
                refresh_norms(self.average.network, islice(self.rows.epoch(self.seeds, self.epoch), steps))

    @torch.inference_mode()
    def judge(self) -> dict[int, list[float]]:
        """Number of its last snapshots that join a member → validation loss of each member then.

        All numbers are tried, 0 first: the first cycles may have ended with networks that are too bad to help.
        """
        self.candidate.eval()
        earlier = [self.snapshots[epoch] for epoch in snapshots_before(self.recipe, self.epoch)]
        counts = range(len(earlier) + 1) if self.validated else [len(earlier)]
        tried = {}
        for n in counts:
            joined = earlier[len(earlier) - n :]
            tried[n] = self.judged.losses(SnapshotEnsemble([*joined, self.candidate]) if joined else self.candidate)
        return tried

    def keep(self, losses: Sequence[float], *, whole: bool, better: bool, joined: int, stopped: bool) -> None:
        """Take note of the members' losses, and keep the present weights where they are better than ever.

        Parameters
        ----------
        losses: of each member. whole: whether the epoch was. joined: snapshots that the losses were found with.
        """
        for m, (member, loss) in enumerate(zip(self.members, losses, strict=True)):
            self.members[m] = replace(
                member,
                losses=(*member.losses, loss) if whole else member.losses,
                best_epoch=self.epoch if better else member.best_epoch,
                best_loss=loss if better else member.best_loss,
                best_snapshots=joined if better else member.best_snapshots,
                epoch=self.epoch,
                steps=self.optimizer.steps,
                stopped=stopped,
            )
        if better:
            torch._foreach_copy_(list(self.best.values()), list(self.candidate_state.values()))
        self._keep_snapshots()

    def _snapshot(self, epoch: int) -> nn.Module:
        """The network that stood after an earlier epoch."""
        made = duplicate(self.candidate).eval()
        made.load_state_dict(self._table([m.snapshots[epoch] for m in self.members]))
        return made

    def _keep_snapshots(self) -> None:
        """Keep the network where a cycle ends, and drop those that nothing asks for any more."""
        kept = snapshots_kept(self.recipe, self.epoch)
        for epoch in kept:
            if epoch not in self.snapshots:
                self.snapshots[epoch] = duplicate(self.candidate).eval()
                for m, member in enumerate(self.members):
                    now = self._of(m, self.candidate_state)
                    self.members[m] = replace(member, snapshots={**member.snapshots, epoch: now})
        self.snapshots = {epoch: self.snapshots[epoch] for epoch in kept}
        for m, member in enumerate(self.members):
            wanted = {*kept, *snapshots_before(self.recipe, member.best_epoch)}
            if not member.snapshots.keys() <= wanted:
                left = {epoch: state for epoch, state in member.snapshots.items() if epoch in wanted}
                self.members[m] = replace(member, snapshots=left)

    def finished(self) -> list[Member]:
        """Where each member stands now, as ordinary state dicts on the CPU."""
        moments = self.optimizer.moments | ({} if self.lookahead is None else {SLOW: self.lookahead.slow})
        return [
            replace(
                member,
                weights=self._of(m, self.state),
                best=self._of(m, self.best) if math.isfinite(member.best_loss) else {},
                average={} if self.average is None else self._of(m, self.candidate_state),
                moments={kind: self._of(m, table) for kind, table in moments.items()},
            )
            for m, member in enumerate(self.members)
        ]

    def _of(self, m: int, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: (t[m] if name in self.names else t).detach().to("cpu", copy=True).contiguous()
            for name, t in tensors.items()
        }


def _some(rows: Rows) -> Rows:
    """Training rows to judge by where none are held out: only tells whether the numbers are still finite."""
    few = slice(0, ValidationRows.rows_at_once)
    weights = None if rows.weights is None else rows.weights[few]
    return Rows(rows.numbers[few], rows.codes[few], rows.targets[few], weights)


def _generator(seed: int, epoch: int) -> np.random.Generator:
    """Of what an augmentation draws in an epoch."""
    return np.random.default_rng(stream(seed, epoch, 3))


def _seed_torch(seed: int, cuda: bool) -> None:
    """Seed torch's global generator; `torch.manual_seed` where there is no GPU costs 0.1 ms and grows a list."""
    if cuda:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
