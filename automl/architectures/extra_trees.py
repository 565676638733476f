"""Extremely randomised trees (Geurts et al. 2006) of scikit-learn: random thresholds, on all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape
    from automl.architectures.forests import Forest
    from automl.artefact import State


class ExtraTrees:
    """A budget buys a share of the 150 trees."""

    name = "extra_trees"
    inputs = "ordinal"
    divisible = True

    def space(self) -> ConfigurationSpace:
        """`max_features` is an exponent of the number of columns, `shrinkage` in rows: see `forests`."""
        from ConfigSpace import Categorical, ConfigurationSpace, Float, Integer

        space = ConfigurationSpace()
        space.add(
            Float("max_features", (0.2, 1.0), default=0.75),
            Integer("min_samples_leaf", (1, 20), default=1, log=True),
            Integer("max_leaf_nodes", (64, 8192), default=8192, log=True),
            Float("shrinkage", (0.01, 30.0), default=0.5, log=True),
            Categorical("bootstrap", [True, False], default=False),
        )
        return space

    def build(
        self,
        shape: Shape,
        *,
        max_features: float,
        min_samples_leaf: int,
        max_leaf_nodes: int,
        shrinkage: float,
        bootstrap: bool,
    ) -> Forest:
        from sklearn.tree import ExtraTreeClassifier, ExtraTreeRegressor

        from automl.architectures.forests import SORTED, Forest, considered, most_leaves

        columns = considered(shape.inputs, max_features)
        choices: dict[str, Any] = {
            "max_features": columns,
            "min_samples_leaf": min_samples_leaf,
            "max_leaf_nodes": most_leaves(max_leaf_nodes, shape.outputs),
        }
        values = shape.outputs == 1
        tree = ExtraTreeRegressor(**choices) if values else ExtraTreeClassifier(criterion="entropy", **choices)
        # Random thresholds need no sorting: a tree is grown about eight times as fast.
        return Forest(tree, bootstrap=bootstrap, most_rows=max(1, 8 * SORTED // columns), shrinkage=shrinkage)

    def restore(self, state: State) -> Forest:
        from automl.architectures.forests import Forest

        return Forest.restored(state)
