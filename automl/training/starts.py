"""First weights learned from tasks, from which a few steps lead far on a new one.

Nichol, Achiam & Schulman (2018), "On First-Order Meta-Learning Algorithms", arXiv:1803.02999, Algorithm 1 (Reptile):
train on a task for a few steps of SGD, then move the first weights a part of the way, θ ← θ + ε(θ_task - θ). What is
learned is kept by `automl.architectures.starts.save_start`, and a fit begins with it by `LearnedStart`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn

from automl.errors import DataError, SettingError, unknown
from automl.training.data import Batch, Rows
from automl.training.losses import Loss, step_loss


def learn_start(
    tasks: Sequence[Rows],
    build: Callable[[int], nn.Module],
    *,
    loss: Loss,
    rounds: int = 1000,
    steps: int = 10,
    rate: float = 0.02,
    share: float = 0.1,
    batch_size: int = 10,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The state dict of a network that is near to a good one for each of the tasks.

    Parameters
    ----------
    tasks: rows to train on, of as many columns and outputs as the network has; each round draws one.
    build: seed -> a fresh network, called as `network(numbers, codes)`; one that it built anew has equal shapes.
    rounds: tasks that are trained on, one after another.
    steps, rate, batch_size: of SGD on a task, with rows drawn without replacement for as long as there are some.
    share: ε in (0, 1], how far the weights move towards those of the task; it falls linearly to zero.
    seed: of the network, the tasks and the rows.

    Raises
    ------
    SettingError: no task, or a number outside its range. DataError: a task has no rows, or is not what the network
    takes; the message says which one. FloatingPointError: a weight is no longer finite.
    """
    if not tasks:
        raise SettingError("learn_start needs at least one task to learn from")
    if min(rounds, steps, batch_size) < 1 or not rate > 0 or not 0 < share <= 1:
        raise SettingError(
            f"rounds={rounds}, steps={steps} and batch_size={batch_size} must be at least 1, rate={rate} above 0 and "
            f"share={share} in (0, 1]"
        )
    if loss not in get_args(Loss):
        raise unknown("loss", loss, get_args(Loss))
    rng = np.random.default_rng(seed)
    network = build(seed)
    for number, task in enumerate(tasks):
        _check(number, task, network, loss)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for done in range(rounds):
            network.load_state_dict(start)
            task = tasks[int(rng.integers(len(tasks)))]
            descend(network, task, loss=loss, steps=steps, rate=rate, batch_size=batch_size, rng=rng)
            part = share * (1 - done / rounds)
            start = {name: _moved(start[name], tensor, part) for name, tensor in network.state_dict().items()}
    for name, tensor in start.items():
        if not bool(torch.isfinite(tensor).all()):
            raise FloatingPointError(f"{name} is no longer finite: a smaller rate than {rate} may help")
    return start


def descend(
    network: nn.Module, task: Rows, *, loss: Loss, steps: int, rate: float, batch_size: int, rng: np.random.Generator
) -> None:
    """Train a network in place by steps of plain SGD on rows of a task."""
    network.train()
    weights: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
    order = np.empty(0, dtype=np.int64)
    for _ in range(steps):
        if len(order) < min(batch_size, len(task)):
            order = rng.permutation(len(task))
        chosen, order = torch.from_numpy(order[:batch_size]), order[batch_size:]
        batch = Batch(
            task.numbers[chosen],
            task.codes[chosen],
            _columns(task.targets[chosen]),
            None if task.weights is None else task.weights[chosen],
        )
        slopes = torch.autograd.grad(step_loss(loss, network(batch.numbers, batch.codes), batch, 0.0), weights)
        with torch.no_grad():
            torch._foreach_add_(list[Tensor](weights), list(slopes), alpha=-rate)


@torch.no_grad()
def _check(number: int, task: Rows, network: nn.Module, loss: Loss) -> None:
    """Raise DataError where the network cannot be trained on a task; torch would learn wrongly from some shapes."""
    named = f"task {number}"
    if not len(task):
        raise DataError(f"{named} has no rows; leave it out")
    if task.numbers.is_floating_point() and not bool(torch.isfinite(task.numbers).all()):
        raise DataError(f"{named} has numbers that are not finite; fill what is missing")
    network.eval()
    try:
        outputs = int(network(task.numbers[:1], task.codes.amax(0, keepdim=True)).shape[-1])
    except (RuntimeError, IndexError) as error:
        raise DataError(
            f"{named}, with {task.numbers.shape[1]} numbers and {task.codes.shape[1]} codes a row, does not fit the "
            f"network: {error}; all tasks must have the columns and levels that it was built for"
        ) from error
    targets = _columns(task.targets)
    if loss == "cross_entropy":
        if targets.is_floating_point() or int(targets.min()) < 0 or int(targets.max()) >= outputs:
            raise DataError(f"{named} must have whole numbers from 0 to {outputs - 1} as its targets, one an output")
    elif not targets.is_floating_point() or targets.shape[1] != outputs or not bool(torch.isfinite(targets).all()):
        raise DataError(f"{named} must have finite float32 targets for each of the {outputs} outputs of the network")


def _columns(targets: Tensor) -> Tensor:
    return targets.unsqueeze(1) if targets.is_floating_point() and targets.dim() == 1 else targets


def _moved(start: Tensor, end: Tensor, part: float) -> Tensor:
    """A part of the way; counts (of batches seen) are taken as they are."""
    return torch.lerp(start, end.detach(), part) if start.is_floating_point() else end.clone()
