"""scikit-learn's own checks of estimators; for tables without any expected failure, for images with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.validation import validate_data

from automl import AutoNetClassifier, AutoNetImageClassifier, AutoNetRegressor

# One family with all that lies around it, and few folds: some hundred fits. The slow tests take all families.
QUICK: dict[str, Any] = {
    "n_trials": 2,
    "families": ["linear"],
    "resampling": 2,
    "n_jobs": 1,
    "random_state": 0,
}
WHOLE: dict[str, Any] = {"n_trials": 4, "n_jobs": 1, "random_state": 0}
TINY = {"small_resnet:width": 8, "small_resnet:stages": 2, "small_resnet:blocks": 0, "train:batch_size": 64}
OF_IMAGES: dict[str, Any] = {
    "n_trials": 1,
    "families": ["small_resnet"],
    "warm_start": [{"family": "small_resnet", **TINY}],
    "n_jobs": 1,
    "random_state": 0,
}
WITHOUT_DATA = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
ORDERED = "check_sample_weight_equivalence_on_dense_data"
"""The one check that images do not pass: it gives rows in another order, and images, unlike rows, are split by that."""


class Strips(AutoNetImageClassifier):
    """Takes rows of a table as images of one pixel's height.

    scikit-learn's checks make tables; of an estimator for images alone, `check_estimator` looks at a single thing.
    """

    def _checked(self, X: Any, *, reset: bool) -> Any:
        return super()._checked(validate_data(self, X, reset=reset)[:, None], reset=reset)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        return tags


def of_strips(*, data: bool) -> Iterator[Any]:
    """Checks of an estimator for images, with data or without."""
    for estimator, check in estimator_checks_generator(Strips(**OF_IMAGES)):
        name = check.func.__name__ if hasattr(check, "func") else check.__name__
        if (name not in WITHOUT_DATA) == data and name != ORDERED:
            yield pytest.param(estimator, check, id=name)


@parametrize_with_checks([AutoNetClassifier(**QUICK), AutoNetRegressor(**QUICK)])
def test_scikit_learns_checks_hold(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize(("estimator", "check"), of_strips(data=False))
def test_those_that_need_no_data_hold_for_images(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), of_strips(data=True))
def test_those_of_rows_hold_for_images_of_one_pixels_height(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([AutoNetClassifier(**WHOLE), AutoNetRegressor(**WHOLE)])
def test_scikit_learns_checks_hold_with_all_families(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
