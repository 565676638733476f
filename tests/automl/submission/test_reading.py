"""Traps of the organisers' files: layouts, line ends, metadata that are wrong, samples of several kinds, records."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from automl.challenge_metrics import challenge_score
from automl.errors import DataError
from automl.submission.fit_predict import FitPredict
from automl.submission.formats.autodl import Layout
from automl.submission.formats.chalearn import ChaLearn
from automl.submission.formats.kaggle import Kaggle
from automl.submission.images import features, resized
from automl.submission.problem import Data, Problem, Settings
from automl.submission.quick import quick
from automl.submission.ridge import ridge
from automl.submission.run import main, places
from automl.submission.tfrecord import count_records, picture, read_examples
from automl.submission.toys import images


def written(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        stem, _, kind = name.rpartition("_")
        ending = {"info": "_public.info", "types": "_feat.type", "solution": "_train.solution"}.get(
            kind, f"_{kind}.data"
        )
        (folder / f"{stem}{ending}").write_text(content, newline="")
    return folder


def test_dense_files_with_missing_values_line_ends_of_windows_and_wrong_counts(tmp_path: Path) -> None:
    info = "task = 'binary.classification'\r\nmetric = 'abs_metric'\r\ntrain_num = 13142\r\nfeat_num =  7\r\n"
    train = "1 NaN \r\n3 4.5 \r\n5 6 \r\n"
    source = written(tmp_path, a_info=info, a_train=train, a_solution="0\r\n1\r\n1\r\n", a_test="1 2 \r\n")
    chosen = ChaLearn()
    problem = chosen.read(source, "a")
    assert (problem.kind, problem.metric, dict(problem.rows)) == ("binary", "abs_metric", {"test": 1})
    data = chosen.data(source, problem)
    np.testing.assert_array_equal(data.train, [[1, np.nan], [3, 4.5], [5, 6]])


def test_blank_rows_of_a_sparse_file_count_without_metadata_too(tmp_path: Path) -> None:
    source = written(tmp_path, a_train="\n1:2 3:-1\n2:5\n", a_solution="1\n0\n1\n", a_test="5:1\n\n", a_valid="\n2:1\n")
    problem = ChaLearn().read(source, "a")
    data = ChaLearn().data(source, problem)
    assert {part: X.shape[0] for part, X in data.parts.items()} == dict(problem.rows) == {"valid": 2, "test": 2}


def test_sparse_files_count_from_one_keep_blank_rows_and_may_have_columns_that_training_lacks(tmp_path: Path) -> None:
    source = written(
        tmp_path,
        a_info="is_sparse = 1\nfeat_num = 3\n",
        a_train="\n1:2 3:-1\n2:5\n",
        a_solution="1 0\n0 1\n0 1\n",
        a_test="5:1\n\n",
        a_valid="\n\n",
    )
    problem = ChaLearn().read(source, "a")
    assert (problem.kind, dict(problem.rows)) == ("multiclass", {"valid": 2, "test": 2})
    data = ChaLearn().data(source, problem)
    np.testing.assert_array_equal(data.train.toarray(), [[0, 0, 0, 0, 0], [2, 0, -1, 0, 0], [0, 5, 0, 0, 0]])
    np.testing.assert_array_equal(data.parts["test"].toarray(), [[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])


def test_without_metadata_the_layout_and_the_task_are_inferred(tmp_path: Path) -> None:
    binary = written(tmp_path, b_train="1 3\n2\n", b_solution="0.5\n1.5\n", b_test="4\n")
    written(tmp_path, b_train="1 3\n2\n3 4 5\n", b_solution="0.5\n1.5\n7\n")
    problem = ChaLearn().read(binary, "b")
    assert (problem.kind, problem.metric) == ("regression", "r2_metric")
    np.testing.assert_array_equal(ChaLearn().data(binary, problem).parts["test"].toarray(), [[0, 0, 0, 1, 0]])
    several = written(tmp_path, c_train="1 2\n3 4\n", c_solution="1 1\n0 0\n", c_test="1 2\n")
    assert ChaLearn().read(several, "c").kind == "multilabel"


def test_categorical_columns_are_told_to_the_models(tmp_path: Path) -> None:
    source = written(
        tmp_path, a_types="Numerical\nCategorical\n", a_train="1 3\n2 4\n", a_solution="1\n2\n", a_test="1 9\n"
    )
    data = ChaLearn().data(source, ChaLearn().read(source, "a"))
    assert [str(t) for t in data.train.dtypes] == ["float64", "category"]


@pytest.mark.parametrize(
    ("content", "why"), [("1 2\n3\n", "no table of numbers"), ("", "empty"), ("1 x\n", "no table of numbers")]
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: str, why: str) -> None:
    source = written(tmp_path, a_info="is_sparse = 0\n", a_train=content, a_solution="1\n0\n", a_test="1 2\n")
    with pytest.raises(DataError, match=f"a_train.data.*{why}"):
        ChaLearn().data(source, ChaLearn().read(source, "a"))


def kaggle(folder: Path, train: str, test: str, sample: str) -> tuple[Problem, str]:
    """The problem, and what is handed in where the outputs are .2, .4, … of the first row, .6 … of the second."""
    for name, content in (("train", train), ("test", test), ("sample_submission", sample)):
        (folder / f"{name}.csv").write_text(content)
    problem = Kaggle().read(folder, folder.name)
    p = np.linspace(0.2, 0.8, 2 * problem.outputs).reshape(2, -1)
    return problem, Kaggle().files(folder, problem, {"test": p}, 0)["submission.csv"].decode()


TRAIN = "id,x,y\n1,5,no\n2,6,yes\n3,7,no\n4,8,yes\n"
TEST = "id,x\n8,1\n9,2\n"


def test_a_sample_of_labels_wants_labels(tmp_path: Path) -> None:
    problem, answer = kaggle(tmp_path, TRAIN, TEST, "id,y\n9,no\n8,no\n")
    assert (problem.kind, problem.metric) == ("binary", "accuracy")
    assert answer == "id,y\n9,no\n8,yes\n"
    assert Kaggle().data(tmp_path, problem).parts["test"]["x"].tolist() == [2, 1]  # in the order of the sample


def test_a_target_of_one_label_is_predicted(tmp_path: Path) -> None:
    problem, answer = kaggle(tmp_path, TRAIN.replace("no", "yes"), TEST, "id,y\n9,no\n8,no\n")
    assert (problem.outputs, problem.labels) == (1, ("yes",))
    assert answer == "id,y\n9,yes\n8,yes\n"


def test_rows_that_the_test_part_lacks_are_guessed_and_a_sample_without_rows_is_refused(tmp_path: Path) -> None:
    _, answer = kaggle(tmp_path, TRAIN, empty := "id,x\n", "id,y\n9,no\n8,no\n")
    assert answer == "id,y\n9,no\n8,yes\n"
    with pytest.raises(DataError, match=r"sample_submission.csv has 2 columns and 0 rows; an id and a target"):
        kaggle(tmp_path, TRAIN, empty, "id,y\n")


def test_a_sample_of_fractions_wants_probabilities_of_the_second_label(tmp_path: Path) -> None:
    train = TRAIN.replace("no", "0").replace("yes", "1")
    problem, answer = kaggle(tmp_path, train, TEST, "id,y\n8,0.5\n9,0.5\n")
    assert (problem.kind, problem.metric) == ("binary", "neg_log_loss")
    assert answer == "id,y\n8,0.2\n9,0.8\n"


def test_a_column_for_each_class_wants_their_probabilities_in_its_order(tmp_path: Path) -> None:
    train = "id,x,Status\n1,5,C\n2,6,D\n3,7,CL\n4,7,D\n"
    problem, answer = kaggle(tmp_path, train, TEST, "id,Status_D,Status_CL,Status_C\n8,0,0,1\n9,0,0,1\n")
    assert problem.kind == "multiclass"
    np.testing.assert_allclose(problem.prior, [0.5, 0.25, 0.25])
    assert answer.splitlines()[1] == "8,0.2,0.32,0.44"


def test_words_for_what_is_missing_are_labels_amid_text_and_none_amid_numbers(tmp_path: Path) -> None:
    problem, _ = kaggle(tmp_path, TRAIN.replace("no", "None"), TEST, "id,y\n8,yes\n9,yes\n")
    assert problem.labels == ("None", "yes")
    assert Kaggle().data(tmp_path, problem).targets.ravel().tolist() == [0, 1, 0, 1]
    values = TRAIN.replace("3,7,no", "3,7,NA").replace("no", "1.5").replace("yes", "2.5")
    problem, _ = kaggle(tmp_path, values, TEST, "id,y\n8,0\n9,0\n")
    assert (problem.kind, problem.prior) == ("regression", pytest.approx((6.5 / 3,)))
    assert Kaggle().data(tmp_path, problem).targets.ravel().tolist() == [1.5, 2.5, 2.5]


def test_the_benchmark_may_call_a_class_what_else_is_missing(tmp_path: Path) -> None:
    from automl.submission.formats.amlb import AMLB

    AMLB().toy(tmp_path)
    for part in ("train", "test"):
        path = tmp_path / "people" / f"{part}.csv"
        path.write_text(path.read_text().replace(",no\n", ",NA\n"))
    problem = AMLB().read(tmp_path, "people")
    data = AMLB().data(tmp_path, problem)
    assert problem.labels == ("NA", "yes")
    assert 0 < data.targets.mean() < 1


def test_numbers_of_many_values_are_values_and_several_targets_are_labels(tmp_path: Path) -> None:
    problem, _ = kaggle(tmp_path, TRAIN.replace("no", "1.5").replace("yes", "2.5"), TEST, "id,y\n8,0\n9,0\n")
    assert (problem.kind, problem.metric) == ("regression", "neg_root_mean_squared_error")
    labels, _ = kaggle(tmp_path, "id,x,a,b\n1,5,0,1\n2,6,1,1\n", TEST, "id,a,b\n8,0,0\n9,0,0\n")
    assert (labels.kind, labels.prior) == ("multilabel", (0.5, 1.0))


def test_records_are_read_counted_and_told_when_they_are_cut_off(tmp_path: Path) -> None:
    from automl.submission.formats.autodl import AutoDL, Records

    AutoDL().toy(tmp_path)
    path = tmp_path / "bars.data" / "train" / "sample-bars-train.tfrecord"
    x, y = next(iter(Records(path.parent)))
    assert x.shape == (1, 12, 12, 1)
    np.testing.assert_array_equal(x[0, :, :, 0], images(120, 0)[0][0, 0])
    assert y.tolist() == np.eye(2)[images(120, 0)[1][0]].tolist()
    assert count_records(path) == 120
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="ends within a record"):
        list(read_examples(path))
    payload = b"\xff\xff\xff"
    path.write_bytes(struct.pack("<QI", len(payload), 0) + payload + b"\0\0\0\0")
    with pytest.raises(DataError, match="no SequenceExample"):
        list(read_examples(path))


def test_compressed_pictures_are_read_in_colour_and_in_grey() -> None:
    Image = pytest.importorskip("PIL.Image")
    for mode, channels in (("RGB", 3), ("L", 1)):
        buffer = io.BytesIO()
        Image.new(mode, (5, 4), 255 if channels == 1 else (255, 0, 0)).save(buffer, "PNG")
        found = picture(buffer.getvalue())
        assert found.shape == (4, 5, channels)
        assert found[0, 0].tolist() == ([1.0] if channels == 1 else [1.0, 0.0, 0.0])
    with pytest.raises(DataError, match="no picture"):
        picture(b"nothing")


def test_features_tell_bars_that_stand_from_bars_that_lie() -> None:
    from sklearn.linear_model import LogisticRegression

    pictures, y = images(120, 0)
    found = features(list(np.moveaxis(pictures, 1, -1)))
    assert np.isfinite(found).all()
    assert (
        LogisticRegression(max_iter=500).fit(found[:60], y[:60]).score(found[60:], y[60:]) > 0.76
    )  # chance: .5 ± .065
    np.testing.assert_array_equal(features(list(np.moveaxis(pictures[:1], 1, -1)))[0], found[0])


def test_pictures_of_any_size_become_rows_of_one_length() -> None:
    sizes = [(1, 40, 30, 3), (2, 9, 70, 3)]
    rng = np.random.default_rng(0)
    colours = [rng.random(size).astype(np.float32) for size in sizes]
    layout = Layout.of(colours)
    table = layout.table(colours)
    np.testing.assert_allclose(resized(np.full((90, 50, 1), 0.25, np.float32), 32), 0.25)
    others = [rng.random((1, 5, 50, 3)), rng.random((1, 20, 20, 1))]  # a smaller one than any before, and a grey one
    assert layout.table(others).shape == table.shape
    grey = np.repeat(others[1], 3, axis=3)
    np.testing.assert_allclose(layout.table(others)[1], layout.table([grey])[0], atol=1e-6)
    assert Layout.of([*colours, others[1]]).table([others[1]]).shape == table[:1].shape


def test_series_of_any_length_become_rows_of_one_length() -> None:
    series = [np.ones((length, 1, 3, 1), np.float32) for length in (4, 9)]
    assert Layout.of(series).table(series).shape == (2, 3 * 7 + 1)
    equal = Layout.of(series[:1] * 2)
    np.testing.assert_array_equal(equal.table([series[0], np.ones((1, 1, 3, 1))])[:, [0, 3]], [[1, 1], [1, np.nan]])


def test_leave_one_out_predictions_are_those_of_models_fitted_without_the_row() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4))
    y = X[:, :1] + 0.1 * rng.normal(size=(30, 1))
    alone, (others,) = ridge(X, y, [X[:3]])
    standard = (X - X.mean(0)) / X.std(0)
    tried = []
    for penalty in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        alpha = penalty * 4  # of standardised columns, the mean eigenvalue over rows is their number
        left = [Ridge(alpha=alpha).fit(np.delete(standard, i, 0), np.delete(y, i, 0)) for i in range(30)]
        tried.append(np.array([model.predict(standard[[i]]).ravel()[0] for i, model in enumerate(left)]))
    best = min(tried, key=lambda p: float(np.square(p - y[:, 0]).mean()))
    np.testing.assert_allclose(alone[:, 0], best, atol=1e-10)
    np.testing.assert_allclose(others[:, 0], y[:3, 0], atol=0.3)


@pytest.mark.parametrize("metric", ["bac_metric", "pac_metric", "f1_metric"])
def test_quick_models_are_judged_by_rows_that_they_have_not_seen(metric: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 6))
    y = (X[:, :1] + X[:, 1:2] ** 2 + rng.normal(size=(1200, 1)) > 2.0).astype(float)
    problem = Problem.of("t", "binary", metric, y[:400], rows={"test": 800})
    *_, (predictions, score) = quick(problem, Data(X[:400], y[:400], {"test": X[400:]}), until=0.0)
    true = challenge_score(metric, y[400:], predictions["test"], "binary")
    assert true > 0.1
    assert abs(score - true) < 0.25  # four standard errors of a share of 400 rows with a quarter of positives
    noise = rng.permutation(y[:400])
    *_, (_, by_chance) = quick(problem, Data(X[:400], noise, {"test": X[400:]}), until=0.0)
    assert by_chance < 0.2


@pytest.mark.parametrize("metric", ["f1_metric", "auc_metric", "roc_auc"])
def test_a_label_that_never_changes_costs_the_others_nothing(metric: str) -> None:
    from scipy import sparse

    X = (np.random.default_rng(0).random((200, 8)) < 0.4).astype(float)
    y = np.stack([X[:, 0], np.zeros(200), X[:, 1]], axis=1)
    problem = Problem.of("t", "multilabel", metric, y, rows={"test": 200})
    table = sparse.csr_array(X)  # for which there is no linear model
    ((predictions, score),) = quick(problem, Data(table, y, {"test": table}), until=0.0)
    assert ((predictions["test"] >= 0.5) == y).mean() > 0.95
    assert score > -0.1  # of areas under curves the loss counts


def test_input_and_output_are_found_by_place_and_by_name() -> None:
    assert places(["in", "out", "program"]) == (Path("in"), Path("out"))
    assert places(["--input_dir=in", "--output_dir", "out"]) == (Path("in"), Path("out"))


def test_results_that_came_with_the_code_are_handed_in_when_all_are_there(tmp_path: Path) -> None:
    source = written(tmp_path, a_train="1 2\n3 4\n", a_solution="1\n0\n", a_test="1 2\n")
    ready = tmp_path / "program" / "res"
    ready.mkdir(parents=True)
    (ready / "a_test_000.predict").write_text("0.25\n")
    arguments = [str(source), str(tmp_path / "out")]
    assert main(arguments, Settings("chalearn", 1.0), program=str(tmp_path / "program")) == 0
    assert (tmp_path / "out" / "a_test_000.predict").read_text() == "0.25\n"


def test_a_first_prediction_waits_for_no_library_but_numpy() -> None:
    program = (
        "import sys; import automl.submission.compete, automl.submission.children; "
        "from automl.submission.catalogue import FORMATS, form; [form(name) for name in FORMATS]; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert not set(answer.stdout.split()) & {"pandas", "scipy", "sklearn", "torch", "ConfigSpace", "psutil"}


@pytest.mark.parametrize(
    "metadata", ['{"num_classes": 1e9, "time_limit": "soon", "codename": "x"}', "[1, 2]", '{"num_classes": null}']
)
def test_metadata_of_images_are_not_trusted(tmp_path: Path, metadata: str) -> None:
    from automl.submission.formats.nas_unseen import NASUnseen

    NASUnseen().toy(tmp_path)
    (tmp_path / "bars" / "metadata").write_text(metadata)
    problem = NASUnseen().read(tmp_path, "bars")
    assert (problem.kind, problem.outputs, problem.seconds) == ("binary", 1, 1800.0)


class Fixed:
    """An estimator that fails, as one would whose library is missing."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        raise RuntimeError("no library")

    predict = predict_proba


@pytest.mark.parametrize("kind", ["binary", "one-hot", "several", "values"])
def test_a_model_for_other_programs_answers_in_the_form_of_its_targets_whatever_fails(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    high = (X[:, 0] > 0).astype(int)
    y = {
        "binary": high,
        "one-hot": np.eye(2)[high],
        "several": np.stack([high, 1 - high, X[:, 1] > 1], axis=1),
        "values": X[:, 0] * 10,
    }[kind]
    monkeypatch.setattr(FitPredict, "_search", lambda *given: 1 / 0)  # the forest steps in
    model = FitPredict().fit(X, y)
    found = model.predict(X)
    assert found.shape == y.shape
    if kind == "values":
        assert np.corrcoef(found, y)[0, 1] > 0.8
    else:
        assert ((found >= 0.5) == y).mean() > 0.9
    model._estimator = Fixed()  # and then a guess
    guessed = model.predict(X)
    assert guessed.shape == y.shape
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(FitPredict().load(tmp_path / "model").predict(X), guessed)
