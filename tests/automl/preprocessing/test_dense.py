"""The steps that a search chooses: what they fill, how they scale, how codes become columns."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import norm, shapiro
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from automl.errors import SettingError
from automl.preprocessing.choices import Preparation
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer, preprocessing_space
from automl.preprocessing.encode import frequent, one_hot, ordinal
from automl.preprocessing.encodings import ENCODINGS
from automl.preprocessing.impute import IMPUTATIONS, fit_imputation, impute
from automl.preprocessing.labels import Labels
from automl.preprocessing.reduce import REDUCTIONS
from automl.preprocessing.scale import SCALINGS, fit_scaling, scale
from automl.space import complete


def arrays_of(numbers: object) -> Arrays:
    values = np.asarray(numbers, dtype=np.float32)
    return Arrays(values, np.zeros((len(values), 0), dtype=np.int32))


def with_gaps(rows: int = 101, columns: int = 7) -> np.ndarray:
    rng = np.random.default_rng(1)
    X = rng.normal(3, 2, size=(rows, columns)).round(1).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


@pytest.mark.parametrize("method", IMPUTATIONS)
def test_imputation_fills_as_scikit_learn_does(method):
    X = with_gaps()
    filled = impute(X, fit_imputation(X, method, indicator=False))
    strategy = {"constant_zero": "constant"}.get(method, method)
    expected = SimpleImputer(strategy=strategy).fit_transform(X)
    np.testing.assert_allclose(filled, expected, rtol=1e-6)


@pytest.mark.parametrize("method", IMPUTATIONS)
def test_a_column_without_values_in_a_fold_is_filled_with_zero(method):
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]], dtype=np.float32)
    assert impute(X, fit_imputation(X, method, indicator=True))[:, 0].tolist() == [0, 0]


def test_indicators_mark_the_columns_that_had_gaps_in_training_only():
    train, test = [[1.0, np.nan], [2.0, 4.0]], [[np.nan, 5.0], [1.0, np.nan]]
    preparer = DensePreparer.fit(arrays_of(train), scaling="none")
    assert preparer.width == 3
    assert preparer.transform(arrays_of(test)).tolist() == [[1.5, 5.0, 0.0], [1.0, 4.0, 1.0]]
    without = DensePreparer.fit(arrays_of(train), scaling="none", missing_indicator=False)
    assert without.transform(arrays_of(test)).shape == (2, 2)


@pytest.mark.parametrize(
    ("method", "scaler"),
    [
        ("standard", StandardScaler()),
        ("robust", RobustScaler()),
        ("minmax", MinMaxScaler(feature_range=(-1, 1))),
        ("maxabs", MaxAbsScaler()),
    ],
)
def test_affine_scalings_agree_with_scikit_learn(method, scaler):
    X = np.random.default_rng(0).gamma(2, size=(200, 4)).astype(np.float32)
    np.testing.assert_allclose(scale(X, fit_scaling(X, method)), scaler.fit_transform(X), rtol=1e-4, atol=1e-5)


def test_robust_clip_is_smooth_bounded_by_three_and_nearly_linear_inside():
    X = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    X[0] = 1e9
    fitted = fit_scaling(X, "robust_clip")
    scaled = scale(X, fitted)
    assert np.abs(scaled).max() <= 3
    affine = scale(X, fit_scaling(X, "robust"))
    small = np.abs(affine) < 0.2
    np.testing.assert_allclose(scaled[small], affine[small], rtol=3e-3)
    assert (np.argsort(scaled[:, 0]) == np.argsort(affine[:, 0])).all()


def test_robust_clip_puts_what_lies_furthest_at_the_bound():
    X = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32) * np.float32(1e-12)
    far = np.array([[1e6], [1e8], [-1e18]], dtype=np.float32)  # of a spread of 1e-12: squares overflow
    assert scale(far, fit_scaling(X, "robust_clip"))[:, 0].tolist() == pytest.approx([3.0, 3.0, -3.0])


def test_a_column_with_equal_quartiles_is_scaled_by_half_its_range():
    X = np.array([[0.0]] * 8 + [[4.0]], dtype=np.float32)
    assert scale(X, fit_scaling(X, "robust"))[:, 0].tolist() == [0.0] * 8 + [2.0]


def test_power_scaling_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    X = np.stack(
        [rng.lognormal(size=500), -rng.gamma(2, size=500), rng.normal(5, 3, 500), rng.random(500) < 0.3], axis=1
    )
    X = X.astype(np.float32)
    scaled = scale(X, fit_scaling(X, "power"))
    even = scale(X, fit_scaling(X, "robust"))  # scikit-learn's λ depends on the unit, ours is that of even columns
    transformer = PowerTransformer().fit(even.astype(np.float64))
    np.testing.assert_allclose(fit_scaling(X, "power").bends[:, 0], transformer.lambdas_, atol=5e-3)
    np.testing.assert_allclose(scaled, transformer.transform(even), atol=5e-3)


def test_quantile_scaling_makes_a_skewed_column_normal_and_keeps_its_order():
    X = np.random.default_rng(0).lognormal(sigma=2, size=(3000, 1)).astype(np.float32)
    scaled = scale(X, fit_scaling(X, "quantile"))[:, 0]
    assert shapiro(scaled[:500]).statistic > 0.98
    assert (np.diff(scaled[np.argsort(X[:, 0])]) >= 0).all()
    assert abs(scaled.mean()) < 0.05
    assert 0.9 < scaled.std() < 1.1


def test_quantile_scaling_gives_ties_the_mean_of_their_scores_and_bounds_new_extremes():
    X = np.repeat([0.0, 1.0], 150)[:, None].astype(np.float32)
    fitted = fit_scaling(X, "quantile")
    low, high, beyond = scale(np.array([[0.0], [1.0], [1e18]], dtype=np.float32), fitted)[:, 0]
    assert low == pytest.approx(-high)
    assert high == pytest.approx(norm.expect(lb=0, conditional=True), abs=0.1)
    assert beyond == high


@pytest.mark.parametrize("scaling", SCALINGS)
def test_every_scaling_is_finite_on_constant_columns_extremes_and_no_columns(scaling):
    train = arrays_of([[5.0, np.nan, -1e15, 0.0], [5.0, np.nan, 1e15, 1e-15], [5.0, np.nan, 0.0, np.nan]])
    preparer = DensePreparer.fit(train, scaling=scaling)
    test = arrays_of([[1e18, 1.0, -1e18, np.nan], [np.nan] * 4])
    for rows in (train, test):
        prepared = preparer.transform(rows)
        assert prepared.dtype == np.float32
        assert np.isfinite(prepared).all()
    empty = arrays_of(np.zeros((3, 0)))
    assert DensePreparer.fit(empty, scaling=scaling).transform(empty).shape == (3, 0)


def test_one_training_row_is_enough():
    for scaling in SCALINGS:
        assert np.isfinite(DensePreparer.fit(arrays_of([[2.0]]), scaling=scaling).transform(arrays_of([[3.0]]))).all()


def test_quantiles_of_many_rows_come_from_a_fixed_sample():
    X = np.random.default_rng(0).normal(size=(60_000, 1)).astype(np.float32)
    first, second = fit_scaling(X, "quantile"), fit_scaling(X, "quantile")
    assert first.knots.tobytes() == second.knots.tobytes()
    np.testing.assert_allclose(first.knots[0, 1:-1], np.quantile(X, np.linspace(0, 1, 256)[1:-1]), atol=0.1)


def mixed(rows: int = 101) -> tuple[Arrays, tuple[int, ...], Labels]:
    """Numbers with gaps, two categorical columns, and three classes that follow from both."""
    rng = np.random.default_rng(0)
    numbers = with_gaps(rows)
    codes = np.stack([rng.integers(0, 5, rows), rng.integers(0, 90, rows)], axis=1).astype(np.int32)
    y = np.clip((np.nan_to_num(numbers[:, 0]) > 3).astype(np.int64) + (codes[:, 0] > 2), 0, 2)
    return Arrays(numbers, codes), (5, 90), Labels(y, 3)


def drawn(count: int) -> list[dict[str, object]]:
    """Configurations of the space; each encoding with each reduction is among them."""
    space = preprocessing_space()
    space.seed(0)
    pairs = [
        complete(space, {"encoding": encoding, "reduction": reduction, "coalescing": True})
        for encoding in ("embedding", "target", *ENCODINGS)
        for reduction in ("none", *REDUCTIONS)
    ]
    return pairs + [dict(config) for config in space.sample_configuration(count)]


@pytest.mark.parametrize("what", ["all", "numbers", "codes", "one row", "one class"])
def test_every_configuration_prepares_any_table(what):
    arrays, levels, labels = mixed()
    if what == "numbers":
        arrays, levels = Arrays(arrays.numbers, arrays.codes[:, :0]), ()
    elif what == "codes":
        arrays = Arrays(arrays.numbers[:, :0], arrays.codes)
    train = (
        np.arange(1) if what == "one row" else np.flatnonzero(labels.y == 1) if what == "one class" else np.arange(101)
    )
    gaps = np.isnan(arrays.numbers).any(axis=0)
    for config in drawn(40):
        more = {"levels": levels, "labels": labels.take(train), **config}
        preparer, prepared = DensePreparer.fit_transform(arrays.take(train), gaps, **more)
        assert prepared.shape == (len(train), preparer.width)
        assert (prepared.dtype, bool(np.isfinite(prepared).all())) == (np.float32, True)
        tested = preparer.transform(arrays)
        assert tested.shape == (101, preparer.width)
        assert np.isfinite(tested).all()
        codes, left = preparer.codes(arrays), preparer.levels(levels)
        assert codes.shape == (101, len(left))
        assert config["encoding"] == "embedding" or not left
        if config["encoding"] != "target":
            assert preparer.transform(arrays.take(train)).tobytes() == prepared.tobytes()


def test_the_space_can_choose_everything_that_there_is():
    space = preprocessing_space()
    assert set(space["scaling"].choices) == set(SCALINGS)
    assert set(space["encoding"].choices) == {"embedding", "target", *ENCODINGS}
    assert set(space["reduction"].choices) == {"none", *REDUCTIONS}
    assert set(space) == {field.name for field in fields(Preparation)}
    assert Preparation(**dict(space.get_default_configuration())) == Preparation()
    assert not space.forbidden_clauses


def test_a_row_is_prepared_to_the_same_bits_alone_as_among_others():
    arrays, levels, labels = mixed()
    for config in drawn(40):
        preparer = DensePreparer.fit(arrays, levels=levels, labels=labels, **config)
        together = preparer.transform(arrays)
        alone = [preparer.transform(arrays.take(slice(i, i + 1))) for i in range(20)]
        assert np.concatenate(alone).tobytes() == together[:20].tobytes()


def test_the_width_is_the_same_in_every_fold_so_that_their_networks_can_be_trained_as_one():
    arrays, levels, labels = mixed()
    gaps = np.isnan(arrays.numbers).any(axis=0)
    for config in drawn(40):
        widths = {
            DensePreparer.fit(arrays.take(rows), gaps, levels=levels, labels=labels.take(rows), **config).width
            for rows in (np.arange(7), np.arange(20, 28), np.arange(101))
        }
        assert len(widths) == 1


def test_preparation_is_the_same_each_time():
    arrays, levels, labels = mixed()
    for config in drawn(10):
        one, other = (DensePreparer.fit_transform(arrays, levels=levels, labels=labels, **config)[1] for _ in range(2))
        assert one.tobytes() == other.tobytes()


def test_the_defaults_do_nothing_beyond_numbers_and_leave_the_codes():
    arrays, levels, _ = mixed()
    preparer = DensePreparer.fit(arrays, levels=levels)
    assert preparer.codes(arrays) is arrays.codes
    assert preparer.levels(levels) == levels
    assert (
        preparer.transform(arrays).tobytes() == DensePreparer.fit(arrays_of(arrays.numbers)).transform(arrays).tobytes()
    )


def test_an_unknown_step_is_refused_with_the_nearest_known_name():
    with pytest.raises(SettingError, match="did you mean 'median'"):
        DensePreparer.fit(arrays_of([[1.0]]), imputation="medain")
    with pytest.raises(SettingError, match="did you mean 'quantile'"):
        DensePreparer.fit(arrays_of([[1.0]]), scaling="quantil")
    with pytest.raises(SettingError, match="did you mean 'one_hot'"):
        DensePreparer.fit(arrays_of([[1.0]]), encoding="onehot")
    with pytest.raises(SettingError, match="did you mean 'pca'"):
        DensePreparer.fit(arrays_of([[1.0]]), reduction="pac")
    with pytest.raises(SettingError, match="did you mean 'anova_f'"):
        DensePreparer.fit(arrays_of([[1.0]]), labels=Labels(np.zeros(1), 1), reduction="select", select_by="anova")
    with pytest.raises(TypeError, match="unexpected keyword argument 'reductions'"):
        DensePreparer.fit(arrays_of([[1.0]]), reductions="pca")


@pytest.mark.parametrize(
    "choices", [{"encoding": "target"}, {"reduction": "select"}, {"reduction": "polynomial"}], ids=str
)
def test_a_step_that_learns_from_the_target_asks_for_it(choices):
    with pytest.raises(SettingError, match="learns from the target; pass labels="):
        DensePreparer.fit(arrays_of([[1.0], [2.0]]), **choices)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [("components", 101, "between 1 and 100"), ("select_share", 0.0, r"in \(0, 1\]"), ("smoothing", 0.0, "> 0")],
)
def test_values_out_of_range_are_refused_with_the_rule(name, value, rule):
    with pytest.raises(SettingError, match=f"{name}={value} in the preparation must be {rule}"):
        DensePreparer.fit(arrays_of([[1.0]]), **{name: value})


CODES = np.array([[1, 0], [2, 3], [0, 1], [2, 1]], dtype=np.int32)
LEVELS = (3, 4)


def test_one_hot_has_a_column_per_level_and_zeros_for_what_is_missing():
    expected = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    assert one_hot(CODES, LEVELS).tolist() == expected
    as_sparse = one_hot(CODES, LEVELS, as_sparse=True)
    assert (as_sparse.dtype, as_sparse.toarray().tolist()) == (np.float32, expected)
    assert one_hot(np.zeros((2, 0), dtype=np.int32), ()).shape == (2, 0)


def test_rare_levels_get_no_column():
    kept = frequent(CODES, LEVELS, min_count=2)
    assert kept.tolist() == [False, True, True, False, False]
    expected = [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert one_hot(CODES, LEVELS, kept).tolist() == expected
    assert one_hot(CODES, LEVELS, kept, as_sparse=True).toarray().tolist() == expected


def test_ordinal_marks_categories_and_takes_many_levels_as_numbers():
    arrays = Arrays(np.array([[0.5], [np.nan], [1.0], [2.0]], dtype=np.float32), CODES)
    matrix, categorical = ordinal(arrays, (3, 256))
    assert categorical.tolist() == [False, True, False]
    np.testing.assert_array_equal(matrix[:, 1], [0, 1, np.nan, 1])


def test_hist_gradient_boosting_takes_the_ordinal_matrix_up_to_its_last_bin():
    codes = np.arange(510, dtype=np.int32)[:, None] % 255
    arrays = Arrays(np.zeros((510, 0), dtype=np.float32), codes)
    matrix, categorical = ordinal(arrays, (255,))
    assert categorical.all()
    y = (codes[:, 0] % 2).astype(int)
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features=categorical).fit(matrix, y)
    assert len(model.predict(matrix)) == 510
