"""Linear models of scikit-learn: logistic regression (lbfgs) and ridge regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.architectures.family import Shape


class Linear:
    """`strength` is the inverse of the L2 penalty, as scikit-learn's C and 1/alpha."""

    name = "linear"
    inputs = "one-hot"
    budgeted = False
    takes_wide = True

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import ConfigurationSpace, Float

        space = ConfigurationSpace()
        space.add(Float("strength", (1e-4, 1e3), default=0.1, log=True))
        return space

    def build(self, shape: Shape, *, strength: float) -> Any:
        from sklearn.linear_model import LogisticRegression, Ridge

        if shape.outputs == 1:
            return Ridge(alpha=1 / strength)
        return LogisticRegression(C=strength, max_iter=300)
