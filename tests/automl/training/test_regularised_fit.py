"""Laws of training that regularisers must keep, each alone and all together; and that one switched off is not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import RECIPE, assert_same, folds, networks, run
from torch import nn
from torch.nn import functional as F

from automl.architectures.dropout import seed_dropout
from automl.architectures.inputs import tabular_network
from automl.architectures.rates import parameter_rates
from automl.architectures.snapshots import SnapshotEnsemble
from automl.architectures.stacking import with_member_dropout
from automl.errors import SettingError
from automl.training import checkpoints
from automl.training.data import TrainingRows, stream
from automl.training.optimizers import Optimizer
from automl.training.predict import predict
from automl.training.schedules import factor

CYCLES: dict[str, Any] = {"schedule": "restarts", "restarts_first": 2, "restarts_factor": 1.0, "learning_rate": 2e-2}
"""Cycles that end after 2, 4, 6 and 8 of 9 epochs: the warm-up is less than one."""
COCKTAILS: dict[str, dict[str, Any]] = {
    "mixup": {"augmentation": "mixup", "mixup_alpha": 0.5},
    "cutmix": {"augmentation": "cutmix", "cutmix_probability": 0.7},
    "cutout": {"augmentation": "cutout", "cutout_probability": 0.7, "cutout_share": 0.5},
    "adversarial": {"augmentation": "adversarial", "adversarial_epsilon": 0.05},
    "ema": {"averaging": "ema", "ema_decay": 0.9},
    "swa": {"averaging": "swa", "swa_start": 0.3},
    "lookahead": {"lookahead": True, "lookahead_steps": 5},
    "snapshots": {**CYCLES, "restarts_snapshots": 3},
    "all": {"augmentation": "cutmix", "averaging": "swa", "lookahead": True, **CYCLES, "restarts_snapshots": 2},
}
OFF: dict[str, dict[str, Any]] = {
    "augmentation": {"mixup_alpha": 0.9, "cutmix_probability": 0.9, "cutout_probability": 0.9, "cutout_share": 0.9},
    "averaging": {"ema_decay": 0.5, "swa_start": 0.1},
    "lookahead": {"lookahead_steps": 1, "lookahead_alpha": 0.1},
    "snapshots without restarts": {"restarts_snapshots": 3},
    "an ema without memory": {"averaging": "ema", "ema_decay": 0.0},
    "an swa that never begins": {"averaging": "swa", "swa_start": 0.99},
    "a lookahead that goes all the way": {"lookahead": True, "lookahead_steps": 3, "lookahead_alpha": 1.0},
    "a cutout that never happens": {"augmentation": "cutout", "cutout_probability": 0.0},
}


def shaky(count: int = 3) -> list[nn.Module]:
    """Residual networks with everything that draws."""
    config = {"form": "brick", "n_groups": 1, "n_blocks": 2, "max_units": 8, "activation": "relu", "dropout": 0.3}
    config |= {"norm": "layer", "dropout_shape": "funnel", "shake": "shake_shake", "shake_rule": "shake_shake"}
    drop = {**config, "shake": "shake_drop", "shake_drop": 0.5}
    return [
        tabular_network("resnet", each, numbers=4, levels=[3, 20], outputs=2, rows=100, seed=m)
        for m, each in enumerate([config] * count if count > 1 else [drop])
    ]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", COCKTAILS)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(name: str, batched: bool, tmp_path: Path) -> None:
    recipe = replace(RECIPE, patience=4, **COCKTAILS[name])
    straight = run(recipe, batched=batched)
    for epochs in (3, 4, 8) if "schedule" in COCKTAILS[name] else (4,):
        part = run(recipe, batched=batched, until=epochs / 9)
        checkpoints.save(part.checkpoint, tmp_path / "run.safetensors")
        saved = checkpoints.load(tmp_path / "run.safetensors")
        assert_same(straight, run(recipe, batched=batched, start_checkpoint=saved))


@pytest.mark.parametrize("name", COCKTAILS)
def test_members_together_equal_members_alone(name: str) -> None:
    recipe = replace(RECIPE, **COCKTAILS[name])
    together, alone = run(recipe, batched=True), run(recipe, batched=False)
    for a, b in zip(together.valid, alone.valid, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(together.curve, alone.curve, atol=1e-4)


@pytest.mark.parametrize("name", COCKTAILS)
def test_what_is_judged_is_what_is_predicted_with(name: str) -> None:
    fitted = run(replace(RECIPE, **COCKTAILS[name]))
    for member, fold, probabilities in zip(fitted.checkpoint.members, folds(), fitted.valid, strict=True):
        assert fold.valid is not None
        targets = fold.valid.targets.numpy()
        assert member.best_loss == member.losses[member.best_epoch - 1]
        log_loss = -np.log(probabilities[np.arange(len(targets)), targets]).mean()
        assert log_loss == pytest.approx(member.best_loss, rel=1e-4)


@pytest.mark.parametrize("name", COCKTAILS)
def test_each_ingredient_changes_the_result(name: str) -> None:
    plain = replace(RECIPE, **(CYCLES if "schedule" in COCKTAILS[name] else {}))
    first, second = run(replace(RECIPE, **COCKTAILS[name])), run(plain)
    assert not all(np.array_equal(p, q) for p, q in zip(first.valid, second.valid, strict=True))


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("name", OFF)
def test_an_ingredient_that_is_off_changes_no_bit(name: str, batched: bool) -> None:
    assert_same(run(replace(RECIPE, **OFF[name]), batched=batched), run(batched=batched))


def test_a_run_without_regularisers_is_the_plain_loop_bit_for_bit() -> None:
    fold, net, seed = folds()[0], networks(1)[0], 5
    module = with_member_dropout(net)
    rows = TrainingRows([fold.train], len(fold.train), RECIPE.batch_size, "cpu")
    optimizer = Optimizer(dict(module.named_parameters()), RECIPE, rates=parameter_rates(net), moments={}, steps=0)
    steps = len(rows.sizes)
    for epoch in range(RECIPE.epochs):
        seed_dropout(module.train(), [torch.Generator().manual_seed(stream(seed, epoch, 1))], steps)
        for step, batch in enumerate(rows.epoch([seed], epoch)):
            loss = F.cross_entropy(module(batch.numbers, batch.codes), batch.targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step(RECIPE.learning_rate * factor(RECIPE, (epoch * steps + step) / (RECIPE.epochs * steps)))
    member = run(data=[fold], networks=[net], seeds=[seed]).checkpoint.members[0]
    assert all(torch.equal(member.weights[name], tensor) for name, tensor in module.state_dict().items())
    assert not member.average
    assert not member.snapshots
    assert set(member.moments) == {"exp_avg", "exp_avg_sq"}


def test_networks_that_shake_keep_the_laws_too() -> None:
    for nets in (shaky(3), shaky(1)):
        data = folds()[: len(nets)]
        straight = run(data=data, networks=nets)
        part = run(data=data, networks=nets, until=4 / 9)
        assert_same(straight, run(data=data, networks=nets, start_checkpoint=part.checkpoint))
        alone = run(data=data, networks=nets, batched=False)
        np.testing.assert_allclose(straight.curve, alone.curve, atol=1e-4)


@pytest.mark.parametrize("name", COCKTAILS)
def test_values_can_be_learned_with_weights_of_rows(name: str) -> None:
    data = [
        replace(fold, train=replace(fold.train, weights=torch.linspace(0, 2, len(fold.train))))
        for fold in folds(kind="squared")
    ]
    fitted = run(replace(RECIPE, **COCKTAILS[name]), data=data, networks=networks(outputs=1), loss="squared")
    assert all(np.isfinite(values).all() for values in fitted.valid)
    assert min(loss for _, loss in fitted.curve) < fitted.curve[0][1]


def test_a_deadline_that_has_passed_still_gives_predictions() -> None:
    for fields in COCKTAILS.values():
        fitted = run(replace(RECIPE, **fields), deadline=0.0)
        assert not fitted.complete
        assert all(np.isfinite(p).all() for p in fitted.valid)


def test_the_mean_over_the_last_epochs_is_that_of_their_weights() -> None:
    recipe = replace(RECIPE, **COCKTAILS["swa"])  # begins after round(0.3 · 9) = 3 epochs
    runs = [run(recipe, until=epochs / 9).checkpoint.members for epochs in range(1, 8)]
    for m, member in enumerate(runs[-1]):
        for name, mean in member.average.items():
            if mean.is_floating_point() and "running" not in name:
                weights = [run[m].weights[name] for run in runs[3:]]
                torch.testing.assert_close(mean, torch.stack(weights).mean(0), msg=name)
    assert all(torch.equal(runs[2][0].average[name], tensor) for name, tensor in runs[2][0].weights.items())


def test_lookahead_leaves_slow_and_fast_weights_equal_when_they_meet() -> None:
    recipe = replace(RECIPE, lookahead=True, lookahead_steps=8)  # 4 steps an epoch
    after = {epochs: run(recipe, until=epochs / 9).checkpoint.members[0] for epochs in (1, 2)}
    assert all(torch.equal(after[2].weights[name], slow) for name, slow in after[2].moments["slow"].items())
    start = networks()[0].state_dict()
    assert all(torch.equal(start[name], slow) for name, slow in after[1].moments["slow"].items())


def test_a_snapshot_ensemble_predicts_the_mean_of_its_members() -> None:
    recipe = replace(RECIPE, **COCKTAILS["snapshots"])
    data, nets = [replace(folds()[0], valid=None)], networks(1)  # so that the last epoch is kept
    whole = run(recipe, data=data, networks=nets).networks[0]
    numbers, codes = data[0].train.numbers, data[0].train.codes
    parts = []
    for epochs in (6, 8, 9):  # the last cycles end after 6 and 8 epochs
        weights = run(recipe, data=data, networks=nets, until=epochs / 9).checkpoint.members[0].weights
        nets[0].load_state_dict(weights)
        parts.append(predict(nets[0], numbers, codes, "cross_entropy"))
        nets = networks(1)
    mean = np.mean(parts, axis=0)
    np.testing.assert_allclose(predict(whole, numbers, codes, "cross_entropy"), mean, atol=1e-12)


def test_snapshots_that_would_not_help_are_left_out() -> None:
    recipe = replace(RECIPE, **CYCLES)
    alone, joined = run(recipe), run(replace(recipe, restarts_snapshots=4))
    assert all(with_them <= without for (_, with_them), (_, without) in zip(joined.curve, alone.curve, strict=True))
    counts = {member.best_snapshots for member in joined.checkpoint.members}
    assert len(counts) == 1
    for net in joined.networks:
        assert {(len(net.networks) if isinstance(net, SnapshotEnsemble) else 1) - 1} == counts


def test_augmentation_needs_a_dense_input() -> None:
    class Whole(nn.Module):
        def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
            return numbers

    with pytest.raises(SettingError, match="augmentation='mixup' needs a network with a dense input"):
        run(replace(RECIPE, augmentation="mixup"), data=folds()[:1], networks=[Whole()])
