"""A folder of images at the terminal and as the task of a batch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pictures import write
from typer.testing import CliRunner, Result

from automl.batch.check import check_tasks, rows_of
from automl.batch.comparison import fit_baseline, quality
from automl.cli import app
from automl.errors import TasksRefused
from automl.taskfile import read_task

FIT = ("--trials", "1", "--jobs", "1", "--seed", "0", "--families", "cnn_chain")


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def task(home: Path, text: str) -> Path:
    (home / "shapes.toml").write_text(text, encoding="utf-8")
    return home / "shapes.toml"


def test_fit_learns_a_folder_and_predict_names_the_files_of_another(tmp_path: Path) -> None:
    photos, model = write(tmp_path / "photos", 40), tmp_path / "model.autonet"
    fitted = call("fit", photos, "-o", model, *FIT)
    assert fitted.exit_code == 0, fitted.output
    assert "40 images of 2 classes" in fitted.stdout
    predicted = call("predict", model, photos, "--proba", "-o", tmp_path / "out.csv")
    assert predicted.exit_code == 0, predicted.output
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == ["file", "prediction", "probability_class0", "probability_class1"]
    assert (table["file"].str.split("/").str[0] == table["prediction"]).mean() > 0.8


def test_a_target_is_for_tables_and_missing_only_there(tmp_path: Path) -> None:
    assert "leave it out" in call("fit", write(tmp_path / "photos", 4), "--target", "y").stderr
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    assert "--target is missing" in call("fit", tmp_path / "table.csv").stderr


def test_a_task_of_images_is_split_by_class_and_has_a_baseline_on_thumbnails(tmp_path: Path) -> None:
    write(tmp_path / "photos", 80)
    path = task(tmp_path, 'data = "photos"\nkind = "images"\nimage_size = 8\n')
    (checked,) = check_tasks([path])
    rows, digest = rows_of(read_task(path))
    assert digest == checked.digest
    assert rows.kind == "images"
    assert (len(rows.X), len(rows.X_test)) == (60, 20)
    assert quality(fit_baseline(rows), rows, "neg_log_loss").score > 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data = "photos"\nkind = "images"\ntarget = "y"', "the classes of images are their folders"),
        ('data = "nowhere"\nkind = "images"', "there is no such folder"),
        ('data = "photos"\nkind = "image"', "did you mean 'images'"),
        ('data = "photos.csv"\ntarget = "y"\nimage_size = 8', "unknown key 'image_size'"),
    ],
)
def test_what_is_wrong_with_a_task_of_images_is_told(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "photos", 4)
    with pytest.raises(TasksRefused, match=message):
        check_tasks([task(tmp_path, text)])
