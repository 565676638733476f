"""The spaces of published systems against their tables, which are written out here."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from ConfigSpace import ConfigurationSpace
from tables import classifier, numbers

from automl.architectures.catalogue import family
from automl.errors import SettingError
from automl.search.trial import State
from automl.settings import SpaceSettings, space_settings
from automl.space import FAMILY, complete, joint_space, recipe_fields, section
from automl.training.recipe import Recipe

LOG = "log"
Entry = tuple[Any, ...]
"""(low, high, default, "log"?, conditions…) or ([choices], default, conditions…)."""

SHAPES = ["brick", "diamond", "funnel", "hexagon", "long_funnel", "stairs", "triangle"]


@cache
def space(name: str) -> ConfigurationSpace:
    settings = space_settings(name)
    return joint_space([family(f) for f in settings.families], settings.updates(), parts=settings.spaces(), seed=0)


def entry(name: str, full: str) -> Entry:
    """What the space says of a hyperparameter, as the tables here say it; conditions without those on the family."""
    hp: Any = space(name)[full]
    conditions = []
    for condition in space(name).parent_conditions_of[full]:
        conditions += condition.components if hasattr(condition, "components") else [condition]
    said = sorted(told(c, full.rpartition(":")[0]) for c in conditions if c.parent.name != FAMILY)
    if hasattr(hp, "value"):
        return hp.value, *said
    if hasattr(hp, "choices"):
        return sorted(hp.choices), hp.default_value, *said
    return hp.lower, hp.upper, hp.default_value, *([LOG] if hp.log else []), *said


def told(condition: Any, prefix: str) -> str:
    parent = condition.parent.name.removeprefix(f"{prefix}:")
    if type(condition).__name__ == "GreaterThanCondition":
        return f"{parent}>{condition.value}"
    values = condition.values if hasattr(condition, "values") else [condition.value]
    return f"{parent}={'|'.join(sorted(map(str, values)))}"


def assert_table(name: str, table: dict[str, Entry]) -> None:
    assert {full: entry(name, full) for full in table} == {
        full: tuple(pytest.approx(v) if isinstance(v, float) else v for v in expected)
        for full, expected in table.items()
    }


def test_auto_net_1_is_the_table_of_mendoza_2016() -> None:
    net, train = "autonet_1:", "autonet_1.train:"
    layered = {
        f"{net}{what}_{i}": (*values, *([f"num_layers>{i - 1}"] if i > 1 else []))
        for i in range(1, 7)
        for what, values in {
            "num_units": (64, 4096, {1: 256}.get(i, 128), LOG) if i <= 3 else (10, 6144, 10, LOG),
            "dropout": (0.0, 0.99, 0.5),
        }.items()
    }
    assert_table(
        "autonet-1",
        {
            **layered,
            f"{train}batch_size": (32, 4096, 32, LOG),
            f"{train}number_updates": (50, 3500, 200, LOG),
            f"{net}num_layers": (1, 6, 1),
            f"{train}learning_rate": (1e-6, 1.0, 0.01, LOG),
            f"{train}lambda2": (1e-7, 1e-2, 1e-4, LOG),
            f"{net}dropout_output": (0.0, 0.99, 0.5),
            f"{train}solver": (
                ["adadelta", "adagrad", "adam", "momentum", "nesterov", "sgd", "smorm3s"],
                "smorm3s",
            ),
            f"{train}beta1": (1e-4, 0.1, 0.1, LOG, "solver=adam"),
            f"{train}beta2": (1e-4, 0.1, 0.01, LOG, "solver=adam"),
            f"{train}rho": (0.05, 0.99, 0.95, LOG, "solver=adadelta"),
            f"{train}momentum": (0.3, 0.999, 0.9, "solver=momentum|nesterov"),
            f"{train}lr_policy": (
                ["exp", "fixed", "inv", "step"],
                "fixed",
                "solver=adadelta|adagrad|momentum|nesterov|sgd",
            ),
            f"{train}gamma": (1e-3, 0.1, 0.01, "lr_policy=exp|inv|step"),
            f"{train}power": (0.0, 1.0, 0.5, "lr_policy=inv"),
            f"{train}epoch_step": (2, 20, 5, "lr_policy=step"),
            f"{net}std_1": (1e-6, 0.1, 0.005, LOG, "weight_init_1=normal"),
            f"{net}std_4": (1e-3, 0.1, 0.005, LOG, "num_layers>3", "weight_init_4=normal"),
            f"{net}leakiness_1": (0.01, 0.99, 0.3, "activation_1=leaky"),
            f"{net}tanh_alpha_2": (0.5, 1.0, 2 / 3, "activation_2=scaled_tanh", "num_layers>1"),
            f"{net}tanh_beta_6": (1.1, 3.0, 1.7159, LOG, "activation_6=scaled_tanh", "num_layers>5"),
        },
    )


def test_auto_net_1_has_63_hyperparameters_of_network_and_training() -> None:
    names = [name for name in space("autonet-1") if name.startswith(("autonet_1:", "autonet_1.train:"))]
    assert len(names) == 63


def test_auto_net_2_is_the_table_of_mendoza_2018() -> None:
    mlp, shaped = "mlp_backbone:", "shaped_mlp_backbone:"
    resnet, shaped_resnet, train = "resnet_backbone:", "shaped_resnet_backbone:", "train:"
    dropped = "use_dropout=True"
    assert_table(
        "autonet-2",
        {
            f"{mlp}num_groups": (1, 15, 8),
            f"{mlp}num_units_1": (10, 1024, 101, LOG),
            f"{mlp}num_units_15": (10, 1024, 101, LOG, "num_groups>14"),
            f"{mlp}activation": (["relu", "sigmoid", "tanh"], "sigmoid"),
            f"{mlp}dropout_1": (0.0, 0.8, 0.4, dropped),
            f"{mlp}dropout_15": (0.0, 0.8, 0.4, "num_groups>14", dropped),
            f"{shaped}num_groups": (1, 15, 8),
            f"{shaped}max_units": (10, 1024, 101, LOG),
            f"{shaped}mlp_shape": (SHAPES, "funnel"),
            f"{shaped}max_dropout": (0.0, 1.0, 0.5, dropped),
            f"{resnet}num_groups": (1, 9, 5),
            f"{resnet}blocks_per_group": (1, 4, 2),
            f"{resnet}num_units_0": (10, 1024, 101, LOG),
            f"{resnet}num_units_9": (10, 1024, 101, LOG, "num_groups>8"),
            f"{resnet}dropout_2": (0.0, 1.0, 0.5, "num_groups>1"),
            f"{resnet}max_shake_drop_probability": (0.0, 1.0, 0.5, "use_shake_drop=True"),
            f"{shaped_resnet}num_groups": (1, 9, 5),
            f"{shaped_resnet}max_units": (10, 1024, 101, LOG),
            f"{train}batch_size": (32, 500, 32, LOG),
            f"{train}optimizer": (["adam", "adamw", "rmsprop", "sgd"], "adam"),
            f"{train}momentum": (0.1, 0.999, 0.5495, "optimizer=sgd"),
            f"{train}alpha": (0.1, 0.99, 0.545, "optimizer=rmsprop"),
            f"{train}step_every": (1, 10, 6, "schedule=step"),
            f"{train}plateau_patience": (3, 10, 6, "schedule=plateau"),
            f"{train}cyclic_length": (3, 10, 6, "schedule=cyclic"),
            f"{train}cosine_epochs": (10, 500, 255, "schedule=cosine"),
            f"{train}restarts_first": (1, 20, 10, "schedule=restarts"),
            f"{train}restarts_factor": (1.0, 2.0, 1.5, "schedule=restarts"),
            f"{train}mixup_alpha": (0.0, 1.0, 0.5, "augmentation=mixup"),
        },
    )
    ranges = {name: entry("autonet-2", f"{train}{name}") for name in ("learning_rate", "momentum@rmsprop")}
    assert [(e[0], e[1], e[3:]) for e in ranges.values()] == [
        (1e-4, 0.1, (LOG,)),
        (0.1, 0.99, (LOG, "optimizer=rmsprop")),
    ]
    assert entry("autonet-2", f"{train}weight_decay")[:2] == (1e-5, 0.1)
    assert not space("autonet-2")[f"{train}weight_decay"].log


def test_auto_pytorch_is_the_table_of_its_version_0_2() -> None:
    mlp, shaped = "mlp_backbone:", "shaped_mlp_backbone:"
    resnet, shaped_resnet, train = "resnet_backbone:", "shaped_resnet_backbone:", "train:"
    dropped, adam = "use_dropout=True", "optimizer=adam|adamw"
    assert_table(
        "autopytorch",
        {
            f"{mlp}num_groups": (1, 15, 5),
            f"{mlp}num_units_1": (10, 1024, 200),
            f"{mlp}num_units_15": (10, 1024, 200, "num_groups>14"),
            f"{mlp}use_dropout": ([False, True], False),
            f"{mlp}dropout_3": (0.0, 0.8, 0.5, "num_groups>2", dropped),
            f"{mlp}activation": (["relu", "sigmoid", "tanh"], "relu"),
            f"{shaped}mlp_shape": (SHAPES, "funnel"),
            f"{shaped}max_units": (10, 1024, 200),
            f"{shaped}output_dim": (10, 1024, 200),
            f"{shaped}max_dropout": (0.0, 1.0, 0.5, dropped),
            f"{resnet}num_groups": (1, 15, 5),
            f"{resnet}blocks_per_group_1": (1, 4, 2),
            f"{resnet}blocks_per_group_15": (1, 4, 2, "num_groups>14"),
            f"{resnet}use_shake_shake": ([False, True], True),
            f"{resnet}max_shake_drop_probability": (0.0, 1.0, 0.5, "use_shake_drop=True"),
            f"{shaped_resnet}blocks_per_group": (1, 4, 2),
            f"{shaped_resnet}max_dropout": (0.0, 0.8, 0.5, dropped),
            f"{shaped_resnet}head_layers": (1, 4, 2),
            f"{shaped_resnet}head_units_1": (64, 512, 128, "head_layers>1"),
            f"{shaped_resnet}head_units_3": (64, 512, 128, "head_layers>3"),
            f"{train}batch_size": (32, 320, 64),
            f"{train}learning_rate": (1e-5, 0.1, 0.01, LOG),
            f"{train}beta1": (0.85, 0.999, 0.9, adam),
            f"{train}beta2": (0.9, 0.9999, 0.9, adam),
            f"{train}weight_decay": (0.0, 0.1, 0.0),
            f"{train}momentum": (0.0, 0.99, 0.0, "optimizer=rmsprop|sgd"),
            f"{train}alpha": (0.1, 0.99, 0.99, "optimizer=rmsprop"),
            f"{train}cosine_epochs": (10, 500, 200, "schedule=cosine"),
            f"{train}restarts_first": (1, 20, 1, "schedule=restarts"),
            f"{train}exponential_factor": (0.7, 0.9999, 0.9, "schedule=exponential"),
            f"{train}mixup_alpha": (0.0, 1.0, 0.2, "augmentation=mixup"),
            "prepare:min_frequency": (1e-4, 0.5, 0.01, "coalescing=True"),
            "prepare:imputation": (["constant_zero", "mean", "median", "most_frequent"], "mean"),
        },
    )


def test_cocktails_are_the_table_of_kadra_2021() -> None:
    resnet, train = "resnet:", "train:"
    assert_table(
        "cocktails",
        {
            f"{resnet}form": ("brick",),
            f"{resnet}n_groups": (2,),
            f"{resnet}n_blocks": (2,),
            f"{resnet}max_units": (512,),
            f"{train}learning_rate": (1e-3,),
            f"{train}batch_size": (128,),
            f"{train}epochs": (105,),
            f"{resnet}norm": (["batch", "none"], "batch"),
            f"{train}restarts_snapshots": ([1, 3], 1),
            f"{train}averaging": (["none", "swa"], "none"),
            f"{train}lookahead_steps": (5, 10, 6, "lookahead=True"),
            f"{train}lookahead_alpha": (0.5, 0.8, 0.6, "lookahead=True"),
            f"{train}weight_decay": (1e-5, 0.1, 1e-4, LOG, "@use_weight_decay=True"),
            f"{train}weight_decay@off": (0.0, "@use_weight_decay=False"),
            f"{resnet}dropout": (0.0, 0.8, 0.5, "@use_dropout=True"),
            f"{resnet}dropout_shape": (SHAPES, "funnel", "@use_dropout=True"),
            f"{resnet}skip": ([False, True], True),
            f"{resnet}shake": (["none", "shake_drop", "shake_shake"], "none", "skip=True"),
            f"{resnet}shake_drop": (0.0, 1.0, 0.5, "shake=shake_drop"),
            f"{train}augmentation": (["adversarial", "cutmix", "cutout", "mixup", "none"], "none"),
            f"{train}mixup_alpha": (0.0, 1.0, 0.2, "augmentation=mixup"),
            f"{train}cutout_share": (0.0, 1.0, 0.2, "augmentation=cutout"),
            f"{train}cutout_probability": (0.0, 1.0, 0.2, "augmentation=cutout"),
            f"{train}cutmix_probability": (0.0, 1.0, 0.2, "augmentation=cutmix"),
            f"{train}adversarial_epsilon": (1e-3, 0.15, 0.007, LOG, "augmentation=adversarial"),
        },
    )


def test_the_plain_network_of_the_cocktails_has_no_regulariser_but_batch_norm_and_shortcuts() -> None:
    config = complete(space("cocktails"), {})
    recipe = Recipe(**recipe_fields(config, family("resnet"), 100))
    assert (recipe.weight_decay, recipe.augmentation, recipe.averaging, recipe.lookahead) == (
        0.0,
        "none",
        "none",
        False,
    )
    assert (recipe.epochs, recipe.restarts_snapshots) == (105, 1)
    own = section(config, "resnet")
    assert "dropout" not in own
    assert (own["norm"], own["skip"], own["shake"]) == ("batch", True, "none")


def test_a_field_may_have_two_ranges_each_under_its_own_condition() -> None:
    seen = set()
    for sample in space("autonet-2").sample_configuration(60):
        fields = section(dict(sample), "train")
        seen.add(fields["optimizer"])
        assert ("momentum" in fields) == (fields["optimizer"] in ("sgd", "rmsprop"))
        assert not any("@" in name for name in fields)
    assert seen == {"adam", "adamw", "sgd", "rmsprop"}


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        ({"solver": "smorm3s"}, {"optimizer": "adam", "beta1": 0.9, "beta2": 0.999, "schedule": "constant"}),
        ({"solver": "adam", "beta1": 0.05, "beta2": 0.01}, {"optimizer": "adam", "beta1": 0.95, "beta2": 0.99}),
        ({"solver": "sgd", "lr_policy": "fixed"}, {"optimizer": "sgd", "momentum": 0.0}),
        ({"solver": "momentum", "momentum": 0.4}, {"optimizer": "sgd", "momentum": 0.4, "nesterov": False}),
        (
            {"solver": "adadelta", "rho": 0.6, "lr_policy": "inv", "gamma": 0.02, "power": 0.7},
            {"optimizer": "adadelta", "rho": 0.6, "inverse_gamma": 0.02, "inverse_power": 0.7},
        ),
        (
            {"solver": "adagrad", "lr_policy": "step", "gamma": 0.02, "epoch_step": 7},
            {"optimizer": "adagrad", "schedule": "step", "step_factor": 0.02, "step_every": 7},
        ),
        ({"solver": "sgd", "lr_policy": "exp", "gamma": 0.02}, {"schedule": "exponential", "exponential_factor": 0.02}),
        ({"solver": "sgd", "number_updates": 320, "batch_size": 50}, {"epochs": 16}),  # 320 · 50 / 1000
        ({"solver": "sgd", "number_updates": 3500, "batch_size": 4096}, {"epochs": 50}),
        ({"solver": "sgd", "number_updates": 50, "batch_size": 32}, {"epochs": 2}),
        ({"solver": "sgd", "lambda2": 1e-3}, {"weight_decay": 2e-3}),  # the gradient of λ₂ · |w|²
    ],
)
def test_what_auto_net_1_says_becomes_the_recipe(stated: dict[str, Any], fields: dict[str, Any]) -> None:
    defaults = {"batch_size": 32, "number_updates": 200, "learning_rate": 0.01, "lambda2": 1e-4}
    config = {f"autonet_1.train:{name}": value for name, value in (defaults | stated).items()}
    recipe = Recipe(**recipe_fields(config, family("autonet_1"), rows=1000))
    assert {name: getattr(recipe, name) for name in fields} == pytest.approx(fields)


def test_a_part_of_no_family_of_the_space_is_refused() -> None:
    with pytest.raises(SettingError, match=r"unknown part of a search space 'mlpp'; did you mean 'mlp'\?"):
        SpaceSettings(families=("mlp",), parts={"mlpp": {}}).spaces()


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("autonet-1", "smac"),
        pytest.param("autonet-2", "bohb", marks=pytest.mark.slow),
        pytest.param("autopytorch", "smac-hb", marks=pytest.mark.slow),
        pytest.param("cocktails", "bohb", marks=pytest.mark.slow),
    ],
)
def test_the_published_systems_fit(name: str, optimizer: str) -> None:
    X, labels, _ = numbers()
    model = classifier(search_space=name, optimizer=optimizer, n_trials=2, families=None, resampling=0.3).fit(X, labels)
    assert {t.state for t in model.history_} == {State.DONE}
    assert {t.config[FAMILY] for t in model.history_} <= set(space_settings(name).families)
    assert model.predict_proba(X).shape == (80, 2)
