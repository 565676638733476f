"""scikit-learn's histogram gradient boosting (Ke et al. 2017, LightGBM), stopped early on the validation rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape


class GradientBoosting:
    """A budget buys a share of `max_iter`; early stopping usually needs far less than all of it."""

    name = "gradient_boosting"
    inputs = "ordinal"

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("learning_rate", (0.01, 0.5), default=0.1, log=True),
            Integer("max_iter", (50, 500), default=300, log=True),
            Integer("max_leaf_nodes", (4, 128), default=31, log=True),
            Integer("min_samples_leaf", (1, 100), default=20, log=True),
            Float("l2_regularization", (1e-6, 100.0), default=1e-6, log=True),
            Float("max_features", (0.2, 1.0), default=1.0),
        )
        return space

    def build(self, shape: Shape, **config: Any) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingRegressor if shape.outputs == 1 else HistGradientBoostingClassifier
        return kind(early_stopping=True, scoring="loss", n_iter_no_change=15, tol=0.0, **config)
