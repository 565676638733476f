"""Images of every make as bytes, and what is said of those that cannot be."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import pictures, write
from PIL import Image

from automl.errors import ArtefactError, DataError, SettingError
from automl.images.encoder import ImageEncoder, checked_images
from automl.images.files import class_folders, images_in


def encoded(X: Any, size: Any = None) -> Any:
    given = checked_images(X)
    return ImageEncoder.fit(given, size).transform(given).images


def test_bytes_stay_as_they_are_with_the_channels_first() -> None:
    X, _ = pictures(5, channels=3)
    assert np.array_equal(encoded(X), X.transpose(0, 3, 1, 2))
    assert np.array_equal(encoded(X[..., 0])[:, 0], X[..., 0])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 8.0, 16.0]), [0, 128, 255]),
        (np.array([-1.0, 0.0, 1.0]), [0, 128, 255]),
        (np.array([0, 32768, 65535], dtype=np.uint16), [0, 128, 255]),
        (np.array([False, False, True]), [0, 0, 255]),
    ],
)
def test_other_numbers_are_spread_from_the_least_to_the_greatest(values: Any, expected: list[int]) -> None:
    assert encoded(values.reshape(1, 1, 3)).ravel().tolist() == expected


def test_what_lies_outside_the_range_of_fit_is_clipped() -> None:
    encoder = ImageEncoder.fit(checked_images(np.array([[[0.0, 10.0]]])))
    assert encoder.transform(checked_images(np.array([[[-5.0, 20.0]]]))).images.ravel().tolist() == [0, 255]


def test_arrays_of_several_sizes_are_resized_with_their_number_told() -> None:
    X = [np.zeros((8, 8), np.uint8)] * 3 + [np.zeros((4, 6), np.uint8)]
    with pytest.warns(UserWarning, match="1 of 4 images are resized to 8×8"):
        assert encoded(X).shape == (4, 1, 8, 8)


def test_large_images_are_shrunk_to_64_pixels_unless_a_size_is_asked_for() -> None:
    X = np.full((2, 100, 200, 3), 7, np.uint8)
    with pytest.warns(UserWarning, match="2 of 2 images are resized to 32×64"):
        shrunk = encoded(X)
    assert shrunk.shape == (2, 3, 32, 64)
    assert (shrunk == 7).all()
    with pytest.warns(UserWarning, match="90×90"):
        assert encoded(X, size=90).shape == (2, 3, 90, 90)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 64)), r"\(4, 64\), rows of a table.*reshape"),
        (np.zeros((4, 3, 32, 32)), r"channels first.*transpose"),
        (np.zeros((0, 8, 8)), "shape"),
        (np.full((2, 2, 2), np.nan), "2 images, first in number 0"),
        (np.array([[["a"]]]), "paths|pixels|X"),
        ([], "no images"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 4, 1))], "3 channels.*1 channels"),
        (["a.png", np.zeros((2, 2))], "beside"),
    ],
)
def test_what_is_no_images_is_refused_with_its_shape_and_the_cure(X: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encoded(X)


@pytest.mark.parametrize("size", [0, (8,), "8", (8, 0), True])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(SettingError, match="image_size"):
        encoded(pictures(2)[0], size)


def test_a_folder_gives_sorted_paths_and_the_names_of_its_folders(tmp_path: Path) -> None:
    paths, labels = class_folders(write(tmp_path / "data", 6))
    assert labels == ["class0"] * 3 + ["class1"] * 3
    assert paths == sorted(paths)
    assert np.array_equal(encoded(paths)[:, 0], pictures(6)[0][[0, 2, 4, 1, 3, 5], ..., 0])


def test_folders_that_hold_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        class_folders(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no subfolders"):
        class_folders(tmp_path)
    folder = write(tmp_path / "data", 4)
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no image"):
        class_folders(folder)
    with pytest.raises(DataError, match="holds no image"):
        images_in(folder / "empty")


def test_files_that_cannot_be_read_are_named_and_counted(tmp_path: Path) -> None:
    paths, _ = class_folders(write(tmp_path, 8, size=40))
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[: len(whole) // 2])
    paths[1].write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 8 images cannot be read \(.*002.png"):
        encoded(paths)  # by the headers
    with pytest.raises(DataError, match=r"1 of 7 images cannot be read \(.*000.png: .*truncated"):
        encoded([paths[0], *paths[2:]])
    with pytest.raises(DataError, match=r"gone.png: there is no such file"):
        encoded([*paths[2:], tmp_path / "gone.png"])


def test_gray_beside_colour_becomes_rgb_and_transparent_parts_white(tmp_path: Path) -> None:
    modes = {"gray": ("L", 200), "colour": ("RGB", (200, 0, 0)), "clear": ("RGBA", (0, 0, 0, 0))}
    for name, (mode, value) in modes.items():
        Image.new(mode, (4, 4), value).save(tmp_path / f"{name}.png")
    with pytest.warns(UserWarning, match="1 are gray and become RGB, 1 are transparent and are laid on white"):
        images = encoded([tmp_path / f"{name}.png" for name in modes])
    assert images[:, :, 0, 0].tolist() == [[200, 200, 200], [200, 0, 0], [255, 255, 255]]


def test_sixteen_bits_of_gray_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert encoded([tmp_path / "deep.png"]).ravel().tolist() == [0, 100, 200, 255]


def test_the_encoder_that_was_saved_is_the_same() -> None:
    encoder = ImageEncoder.fit(checked_images(pictures(3)[0] / 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ImageEncoder.from_state(*encoder.state()) == encoder
    with pytest.raises(ArtefactError, match="format"):
        ImageEncoder.from_state({"format": 99}, {})
