"""Members that advance in step: one network alone, or several as one along the members axis."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from automl.architectures.dropout import scale_dropout, seed_dropout
from automl.architectures.rates import parameter_rates
from automl.architectures.stacking import stack, stacked_names, with_member_dropout
from automl.training.checkpoints import Member
from automl.training.data import FoldData, Rows, TrainingRows, stream
from automl.training.losses import Loss, ValidationRows, step_loss
from automl.training.optimizers import Optimizer, clip_members
from automl.training.recipe import Recipe
from automl.training.schedules import factor, strength


class Together:
    """Networks that stand at the same epoch and train until one of them stops.

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
        self.optimizer = Optimizer(
            parameters,
            recipe,
            rates=parameter_rates(networks[0]),
            moments=self._joined([m.moments for m in self.members]),
            steps=self.members[0].steps,
        )
        self.state: dict[str, Tensor] = dict(self.module.state_dict())
        self.best = {n: t.clone() for n, t in self.state.items()}
        self._load_best()
        # The gradient of the sum of the members' mean losses, given the mean over all.
        self.scale = torch.tensor(float(len(networks)), device=device)

    def _joined(self, tables: Sequence[dict[str, dict[str, Tensor]]]) -> dict[str, dict[str, Tensor]]:
        """Tables of tensors per member → one table of tensors as the module has them."""
        return {
            kind: {name: self._one([t[kind][name] for t in tables], name) for name in tables[0][kind]}
            for kind in tables[0]
        }

    def _one(self, tensors: Sequence[Tensor], name: str) -> Tensor:
        return torch.stack(list(tensors)) if name in self.names else tensors[0]

    def _load_best(self) -> None:
        for m, member in enumerate(self.members):
            for name, tensor in member.best.items():
                (self.best[name][m] if name in self.names else self.best[name]).copy_(tensor)

    def train(self, until: int, deadline: float | None) -> bool:
        """Train to the end of epoch `until` or until a member stops; False when the deadline came first."""
        while self.epoch < until and not any(m.stopped for m in self.members):
            whole = self._epoch(deadline)
            self._judge(whole)
            if not whole:
                return False
        return True

    def _epoch(self, deadline: float | None) -> bool:
        """One epoch of steps; False when the deadline cut it short."""
        recipe, optimizer, module, steps = self.recipe, self.optimizer, self.module, len(self.rows.sizes)
        parameters, members, total = optimizer.params, len(self.members), len(self.rows.sizes) * recipe.epochs
        for generator, seed in zip(self.generators, self.seeds, strict=True):
            generator.manual_seed(stream(seed, self.epoch, 1))
        seed_dropout(module, self.generators, steps)
        module.train()
        cuda = self.device.startswith("cuda")
        with torch.random.fork_rng(devices=[self.device] if cuda else [], enabled=members == 1):
            if members == 1:
                # A user's own module may draw from the global generator; ours do not.
                _seed_torch(stream(self.seeds[0], self.epoch, 2), cuda)
            for step, batch in enumerate(self.rows.epoch(self.seeds, self.epoch)):
                if deadline is not None and time.monotonic() > deadline:
                    return False
                progress = (self.epoch * steps + step) / total
                if recipe.dropout_schedule != "constant":
                    scale_dropout(module, strength(recipe.dropout_schedule, progress))
                with torch.autocast("cuda", dtype=torch.bfloat16, enabled=cuda):
                    logits = module(batch.numbers, batch.codes)
                loss = step_loss(self.loss, logits, batch, recipe.label_smoothing)
                optimizer.zero_grad()
                loss.backward(self.scale)
                if recipe.clip is not None:
                    clip_members(parameters, members, recipe.clip)
                optimizer.step(
                    recipe.learning_rate * factor(recipe, progress, self.members[0].losses),
                    strength(recipe.weight_decay_schedule, progress),
                )
        self.epoch += 1
        return True

    @torch.inference_mode()
    def _judge(self, whole: bool) -> None:
        """Validate, keep what is best, and stop the members whose patience or numbers are at an end."""
        self.module.eval()
        losses = self.judged.losses(self.module)
        better = []
        for m, (member, loss) in enumerate(zip(self.members, losses, strict=True)):
            finite = math.isfinite(loss)
            loss = loss if finite else math.inf
            better.append(finite and (not self.validated or loss < member.best_loss))
            best_epoch, best_loss = (self.epoch, loss) if better[m] else (member.best_epoch, member.best_loss)
            patient = not self.validated or self.epoch - best_epoch < self.recipe.patience
            self.members[m] = replace(
                member,
                losses=(*member.losses, loss) if whole else member.losses,
                best_epoch=best_epoch,
                best_loss=best_loss,
                epoch=self.epoch,
                steps=self.optimizer.steps,
                stopped=not (finite and patient),
            )
        self._keep(better)

    def _keep(self, better: Sequence[bool]) -> None:
        """Copy the present weights of the members that are better than ever."""
        if all(better):
            torch._foreach_copy_(list(self.best.values()), list(self.state.values()))
        elif any(better):
            which = torch.tensor(better, device=self.device)
            for name in self.names & self.state.keys():
                best, now = self.best[name], self.state[name]
                best.copy_(torch.where(which.view(-1, *(1,) * (now.dim() - 1)), now, best))

    def finished(self) -> list[Member]:
        """Where each member stands now, as ordinary state dicts on the CPU."""
        return [
            replace(
                member,
                weights=self._of(m, self.state),
                best=self._of(m, self.best) if math.isfinite(member.best_loss) else {},
                moments={kind: self._of(m, table) for kind, table in self.optimizer.moments.items()},
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


def _seed_torch(seed: int, cuda: bool) -> None:
    """Seed torch's global generator; `torch.manual_seed` where there is no GPU costs 0.1 ms and grows a list."""
    if cuda:
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
