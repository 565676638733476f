"""Laws of training: resumed equals uninterrupted, together equals alone, the best epoch is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import RECIPE, assert_same, folds, networks, run
from torch import Tensor, nn

from automl.architectures.dropout import MemberDropout
from automl.architectures.inputs import tabular_network
from automl.architectures.rates import Rate
from automl.errors import ArtefactError, SettingError
from automl.training import checkpoints, loop
from automl.training.data import FoldData, Rows
from automl.training.loop import fit, worth_batching
from automl.training.losses import ValidationRows
from automl.training.predict import predict
from automl.training.recipe import Recipe
from automl.training.schedules import factor


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": "adamw"},
        {"optimizer": "adam", "schedule": "restarts", "restarts_first": 2},
        {"optimizer": "sgd", "schedule": "coslog4"},
        {"optimizer": "rmsprop", "schedule": "plateau", "plateau_patience": 0},
        {"optimizer": "adagrad", "weight_decay_schedule": "flat_cosine"},
        {"optimizer": "adadelta", "dropout_schedule": "flat_cosine"},
    ],
)
def test_resumed_training_equals_uninterrupted_training_bit_for_bit(
    tmp_path: Path, batched: bool, fields: dict[str, Any]
) -> None:
    recipe = replace(RECIPE, patience=3, **fields)
    straight = run(recipe, batched=batched)
    third = run(recipe, batched=batched, until=1 / 3)
    checkpoints.save(third.checkpoint, tmp_path / "run.safetensors")
    resumed = run(recipe, batched=batched, start_checkpoint=checkpoints.load(tmp_path / "run.safetensors"))
    assert third.epochs == 3
    assert resumed.epochs == straight.epochs - 3
    assert_same(straight, resumed)


@pytest.mark.parametrize("falling", ["constant", "flat_cosine"])
def test_members_together_equal_members_alone(falling: str) -> None:
    recipe = replace(RECIPE, weight_decay_schedule=falling, dropout_schedule=falling)
    together, alone = run(recipe, batched=True), run(recipe, batched=False)
    for a, b in zip(together.valid, alone.valid, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(together.curve, alone.curve, atol=1e-4)


def test_on_a_plateau_the_rate_follows_the_mean_loss() -> None:
    recipe = replace(RECIPE, schedule="plateau", plateau_patience=0, plateau_factor=0.1, learning_rate=3e-2)
    fitted = run(recipe, batched=True)
    assert factor(recipe, 1.0, [loss for _, loss in fitted.curve]) < 1
    alone = run(recipe, batched=False)
    assert [loss for _, loss in alone.curve] == pytest.approx([loss for _, loss in fitted.curve], rel=1e-4)


@pytest.mark.parametrize("batched", [True, False])
def test_a_parameter_of_rate_zero_stays_while_the_others_move(batched: bool) -> None:
    nets = networks()
    for net in nets:
        net.get_submodule("body.0").rates = {"weight": Rate(0.0)}  # type: ignore[assignment]
    fitted = run(networks=nets, batched=batched)
    for before, after in zip(nets, fitted.networks, strict=True):
        assert torch.equal(before.get_parameter("body.0.weight"), after.get_parameter("body.0.weight"))
        assert not torch.equal(before.get_parameter("body.1.weight"), after.get_parameter("body.1.weight"))


class Watched(MemberDropout):
    """Notes the rate of each of its steps."""

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        if self.training:
            self.levels.append(self.stream.level)
        return out


@pytest.mark.parametrize(
    ("schedule", "expected"), [("constant", [128] * 8), ("flat_cosine", [128, 128, 128, 128, 128, 109, 64, 19])]
)
def test_dropout_follows_its_schedule_by_the_step(schedule: str, expected: list[int]) -> None:
    watched = Watched(0.5, 1)
    watched.levels = []  # type: ignore[assignment]
    net = nn.Sequential(nn.Linear(4, 8), watched, nn.Linear(8, 2))
    recipe = Recipe(epochs=2, batch_size=25, dropout_schedule=schedule)
    run(recipe, data=folds()[:1], networks=[NumbersOnly(net)])
    assert watched.levels == expected


def test_equal_seeds_give_equal_results_and_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first = run()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert_same(first, run())
    assert not np.array_equal(first.valid[0], run(seeds=[7, 8, 9]).valid[0])


def test_the_networks_given_are_not_changed() -> None:
    nets = networks()
    before = [{k: v.clone() for k, v in net.state_dict().items()} for net in nets]
    run(networks=nets)
    for net, state in zip(nets, before, strict=True):
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("batched", [True, False])
def test_all_members_keep_the_epoch_of_least_mean_loss_and_stop_by_its_patience(batched: bool) -> None:
    recipe = replace(RECIPE, epochs=60, patience=4, learning_rate=3e-2, weight_decay=0.0)
    fitted = run(recipe, networks=networks(dropout=0.0), batched=batched)
    means = [loss for _, loss in fitted.curve]
    best = 1 + means.index(min(means))
    for m, member in enumerate(fitted.checkpoint.members):
        assert member.stopped
        assert member.best_epoch == best
        assert member.best_loss == member.losses[best - 1]
        assert member.epoch == len(means) == best + recipe.patience
        valid = folds()[m].valid
        assert valid is not None
        targets = valid.targets.numpy()
        log_loss = -np.log(fitted.valid[m][np.arange(len(targets)), targets]).mean()
        assert log_loss == pytest.approx(member.best_loss, rel=1e-4)


def test_predictions_of_subsets_equal_those_of_the_whole() -> None:
    fitted, data = run(), folds()[0].train
    whole = predict(fitted.networks[0], data.numbers, data.codes, "cross_entropy")
    assert np.allclose(whole.sum(1), 1)
    for rows in (slice(0, 1), slice(3, 50), slice(0, 99, 7)):
        part = predict(fitted.networks[0], data.numbers[rows], data.codes[rows], "cross_entropy")
        np.testing.assert_allclose(part, whole[rows], atol=1e-9, rtol=0)
    assert predict(fitted.networks[0], data.numbers[:0], data.codes[:0], "cross_entropy").shape == (0, 2)


def test_regression_gives_values() -> None:
    fitted = run(data=folds(kind="squared"), networks=networks(outputs=1), loss="squared")
    assert fitted.valid[0].shape == (50,)
    assert fitted.valid[0].dtype == np.float32
    assert fitted.curve[-1][1] < fitted.curve[0][1]


def test_training_weights_pull_towards_their_rows_and_only_their_ratios_matter() -> None:
    def share_of_ones(weights: Tensor | None) -> float:
        train, valid = folds()[0].train, folds()[0].valid
        assert valid is not None
        fitted = run(data=[FoldData(replace(train, weights=weights), None)])
        return float(predict(fitted.networks[0], valid.numbers, valid.codes, "cross_entropy")[:, 1].mean())

    ones = (folds()[0].train.targets == 1).float()
    base = share_of_ones(None)
    assert share_of_ones(ones + 0.05) > base + 0.1
    assert share_of_ones(torch.full((100,), 3.0)) == pytest.approx(base, abs=1e-3)


def test_a_validation_row_of_weight_zero_counts_as_if_it_were_not_there() -> None:
    valid = folds()[0].valid
    assert valid is not None
    half = replace(valid, weights=torch.cat([torch.ones(20), torch.zeros(30)]))
    some = Rows(valid.numbers[:20], valid.codes[:20], valid.targets[:20])
    net = networks(1)[0].eval()
    with torch.inference_mode():
        losses = [ValidationRows([rows], "cross_entropy", "cpu").losses(net)[0] for rows in (half, some)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_folds_of_unequal_size_take_the_rows_of_the_smallest() -> None:
    uneven = folds(n=151)
    fitted = run(data=uneven, batched=True)
    alone = run(data=uneven, batched=False)
    assert {m.steps for m in fitted.checkpoint.members} == {m.steps for m in alone.checkpoint.members}
    for a, b in zip(fitted.valid, alone.valid, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("batched", [True, False])
def test_a_deadline_that_has_passed_still_gives_predictions_of_every_member(batched: bool) -> None:
    fitted = run(deadline=time.monotonic() - 1, batched=batched)
    assert not fitted.complete
    assert fitted.epochs == 0
    assert all(np.isfinite(p).all() and p.shape == (50, 2) for p in fitted.valid)
    assert run(batched=batched, start_checkpoint=fitted.checkpoint).complete


def test_the_deadline_is_kept_within_a_step() -> None:
    start = time.monotonic()
    fitted = run(replace(RECIPE, epochs=100_000, patience=100_000), deadline=start + 0.3, batched=False)
    assert time.monotonic() - start < 1.5
    assert all(member.epoch > 0 for member in fitted.checkpoint.members), "each member gets its share"


class NumbersOnly(nn.Module):
    """A network that does not look at categories."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.body(numbers)
        return logits


class Diverging(nn.Module):
    """Turns to NaN in training once it has seen `after` batches."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.after = after
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        logits: Tensor = self.linear(numbers)
        if self.training:
            self.get_buffer("seen").add_(1)
        return logits / (self.get_buffer("seen") <= self.after)


def test_where_the_loss_of_a_member_is_not_finite_all_stop_and_keep_the_best_epoch() -> None:
    fitted = run(networks=[Diverging(9), Diverging(10**6), Diverging(10**6)])
    for member in fitted.checkpoint.members:
        assert member.stopped
        assert member.best_epoch < member.epoch < 9
    assert all(np.isfinite(values).all() for values in fitted.valid)


def test_a_loss_that_was_never_finite_is_an_error() -> None:
    with pytest.raises(FloatingPointError, match="smaller learning rate"):
        run(networks=[Diverging(0) for _ in range(3)])


class Hungry(nn.Module):
    """Fails as torch does when a batch has more than `most` rows."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.most = most

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        if self.training and len(numbers) > self.most:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried too much")
        logits: Tensor = self.linear(numbers)
        return logits


def test_batches_are_halved_twice_when_memory_runs_out() -> None:
    fitted = run(networks=[Hungry(9) for _ in range(3)])
    assert fitted.checkpoint.members[0].steps == 9 * 13  # 100 rows in 13 batches of at most 8
    with pytest.raises(MemoryError, match="8 rows"):
        run(networks=[Hungry(3) for _ in range(3)])


def test_without_validation_rows_the_last_epoch_is_kept() -> None:
    fitted = run(data=[FoldData(f.train, None) for f in folds()])
    assert all(member.best_epoch == 9 for member in fitted.checkpoint.members)
    assert fitted.valid[0].size == 0


def test_a_checkpoint_of_another_recipe_is_refused() -> None:
    third = run(until=1 / 3)
    with pytest.raises(SettingError, match="another recipe"):
        run(replace(RECIPE, learning_rate=0.1), start_checkpoint=third.checkpoint)


def test_a_damaged_checkpoint_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"nothing of use")
    with pytest.raises(ArtefactError, match=r"run\.safetensors"):
        checkpoints.load(path)


def test_the_rule_for_batching_depends_on_widths_members_and_device_only() -> None:
    assert worth_batching([32, 32, 2], members=5, device="cpu")
    assert not worth_batching([256, 2], members=5, device="cpu")
    assert worth_batching([256, 2], members=5, device="cuda")
    assert not worth_batching([32, 2], members=1, device="cuda")
    assert loop.widths(networks(1)[0]) == [16, 16, 2]


def test_as_many_networks_folds_and_seeds_are_needed() -> None:
    with pytest.raises(SettingError, match="3, 3 and 2"):
        run(seeds=[0, 1])
    with pytest.raises(SettingError, match="until=0"):
        run(until=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mlp", "resnet"])
def test_the_default_recipe_learns_an_interaction_that_no_linear_model_can(family: str) -> None:
    g = torch.Generator().manual_seed(0)
    numbers, codes = torch.randn(2000, 6, generator=g), torch.zeros(2000, 0, dtype=torch.int64)
    targets = (numbers[:, 0] * numbers[:, 1] > 0).long()
    train, valid = (Rows(numbers[i], codes[i], targets[i]) for i in (slice(0, 1500), slice(1500, 2000)))
    from automl.architectures.catalogue import family as family_of
    from automl.architectures.family import native

    config = native(dict(family_of(family).space().get_default_configuration()))
    net = tabular_network(family, config, numbers=6, levels=[], outputs=2, rows=1500)
    fitted = fit([net], [FoldData(train, valid)], Recipe(), loss="cross_entropy", seeds=[0])
    assert (fitted.valid[0].argmax(1) == valid.targets.numpy()).mean() > 0.93
