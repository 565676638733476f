"""The table of families by name. A family is imported when it is asked for, so that reading the table is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

from automl.architectures.family import Family
from automl.errors import SettingError, unknown

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "autonet_1": "automl.architectures.autonet_1:AutoNet1",
        "catboost": "automl.architectures.catboost:CatBoost",
        "cnn_branch": "automl.architectures.cnn_branch:CNNBranch",
        "cnn_cell": "automl.architectures.cnn_cell:CNNCell",
        "cnn_chain": "automl.architectures.cnn_chain:CNNChain",
        "cnn_edge_cell": "automl.architectures.cnn_edge_cell:CNNEdgeCell",
        "extra_trees": "automl.architectures.extra_trees:ExtraTrees",
        "ft_transformer": "automl.architectures.ft_transformer:FTTransformer",
        "gradient_boosting": "automl.architectures.gradient_boosting:GradientBoosting",
        "lightgbm": "automl.architectures.lightgbm:LightGBM",
        "linear": "automl.architectures.linear:Linear",
        "mlp": "automl.architectures.mlp:MLP",
        "mlp_backbone": "automl.architectures.mlp_backbone:MLPBackbone",
        "nearest_neighbors": "automl.architectures.nearest_neighbors:NearestNeighbors",
        "random_forest": "automl.architectures.random_forest:RandomForest",
        "realmlp": "automl.architectures.realmlp:RealMLP",
        "resnet": "automl.architectures.resnet:ResNet",
        "resnet_backbone": "automl.architectures.resnet_backbone:ResNetBackbone",
        "shaped_mlp_backbone": "automl.architectures.shaped_mlp_backbone:ShapedMLPBackbone",
        "shaped_resnet_backbone": "automl.architectures.shaped_resnet_backbone:ShapedResNetBackbone",
        "small_resnet": "automl.architectures.small_resnet:SmallResNet",
        "tabm": "automl.architectures.tabm:TabM",
        "torchvision": "automl.architectures.torchvision_networks:TorchvisionNetworks",
    }
)
"""Name → "module:class"; the class takes no arguments."""


def family(of: str | Family) -> Family:
    """The family of this name; a family itself, for example a user's own, is returned as it is."""
    if not isinstance(of, str):
        if not isinstance(of, Family):
            raise SettingError(f"{of!r} is no family: it needs `name`, `space()` and `build(shape, **config)`")
        return of
    if of not in FAMILIES:
        raise unknown("family", of, FAMILIES)
    module, _, name = FAMILIES[of].partition(":")
    made: Family = getattr(import_module(module), name)()
    return made


def what_is_missing(of: Family) -> str | None:
    """What a family lacks to be built here, and the cure; None where it lacks nothing."""
    package = getattr(of, "package", None)
    if package is None or find_spec(package) is not None:
        return None
    cure = "pip install 'autonet[boosting]'"
    return f"the family {of.name!r} needs {package}, which is not installed; install it: {cure}"
