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
    assert encoder.transform(checked_images(np.array([[[-5.0, 15.0]]]))).images.ravel().tolist() == [0, 255]


def test_numbers_of_another_range_than_those_of_fit_are_warned_of() -> None:
    shares = np.linspace(0, 1, 64).reshape(1, 8, 8)
    whole = np.round(255 * shares).astype(np.uint8)
    for fitted, other, told in (
        (shares, whole, "0 to 255, the images of fit from 0 to 1"),
        (whole, shares, "0 to 1, the images of fit from 0 to 255"),
    ):
        encoder = ImageEncoder.fit(checked_images(fitted))
        with pytest.warns(UserWarning, match=told):
            encoder.transform(checked_images(other))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "X holds")
            encoder.transform(checked_images(fitted))
            encoder.transform(checked_images(fitted[:, :2]))  # a dark image


def test_floating_point_images_are_converted_in_parts_that_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).random((7, 4, 5, 3))
    whole = encoded(X)
    monkeypatch.setattr("automl.images.encoder.NUMBERS_AT_ONCE", 2 * 4 * 5 * 3)
    assert np.array_equal(encoded(X), whole)
    span = X.max() - X.min()
    assert np.array_equal(whole, np.round((X - X.min()) / span * 255).astype(np.uint8).transpose(0, 3, 1, 2))


def test_images_of_all_sizes_become_as_their_middle_one() -> None:
    X = [np.zeros((4 + k, 20 - 2 * k), np.uint8) for k in range(7)]
    with pytest.warns(UserWarning, match="6 of 7 images are resized to 7×14"):
        assert encoded(X).shape == (7, 1, 7, 14)


def test_pictures_in_memory_are_as_those_in_files(tmp_path: Path) -> None:
    paths, _ = class_folders(write(tmp_path, 4, channels=3))
    pictures = [Image.open(path) for path in paths]
    assert np.array_equal(encoded(pictures), encoded(paths))
    gray = [picture.convert("P") for picture in pictures[:2]]  # numbers of colours, which are no brightness
    encoder = ImageEncoder.fit(checked_images(pictures))
    assert np.abs(encoder.transform(checked_images(gray)).images.astype(int) - encoded(paths[:2])).mean() < 30
    assert encoder.transform(checked_images(np.array(paths[:1], dtype=str))).images.shape == (1, 3, 8, 8)


def test_the_path_of_one_image_is_enough_to_predict_it(tmp_path: Path) -> None:
    paths, _ = class_folders(write(tmp_path, 4))
    assert checked_images(str(paths[0])) == [paths[0]]
    with pytest.raises(DataError, match="no such file or folder"):
        checked_images(tmp_path / "gone.png")


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
        (np.zeros((4, 4, 32, 32)), r"channels first.*transpose"),
        (np.zeros((0, 8, 8)), "shape"),
        (np.full((2, 2, 2), np.nan), "2 images, first in number 0"),
        (np.array([[["a"]]]), "paths|pixels|X"),
        ([], "no images"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 4, 1))], "3 channels.*1 channels"),
        (["a.png", np.zeros((2, 2))], "beside"),
        ([np.zeros((4, 4)), np.zeros(16)], r"image 1 of X has the shape \(16,\)"),
        ([np.zeros((4, 4)), np.full((5, 5), np.nan)], "first in number 1"),
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


def test_what_a_folder_holds_beside_images_of_classes_is_left_out_and_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "data", 4)
    for name in ("loose.png", "class0/notes.txt", "class0/.ipynb_checkpoints/000.png", "class1/more/deep.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((folder / "class0/000.png").read_bytes())
    with pytest.warns(UserWarning, match=r"2 files of .* are left out.*\(loose.png, class0/notes.txt\)"):
        paths, labels = class_folders(folder)
    assert [(path.name, label) for path, label in zip(paths, labels, strict=True)] == [
        *(("000.png", "class0"), ("002.png", "class0")),
        *(("001.png", "class1"), ("003.png", "class1"), ("deep.png", "class1")),
    ]


def test_folders_of_training_and_test_images_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write(tmp_path / part, 4)
    with pytest.raises(DataError, match=r"holds test and train, parts of a data set.*give one of them"):
        class_folders(tmp_path)
    assert class_folders(tmp_path / "train")[1] == ["class0", "class0", "class1", "class1"]


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


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_pictures_of_a_camera_that_lay_on_its_side_stand_upright(ending: str, tmp_path: Path) -> None:
    seen = np.zeros((24, 48), np.uint8)
    seen[:, :24] = 240  # its left half is what the top will be
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned clockwise by 90°
    Image.fromarray(seen).save(tmp_path / f"photo.{ending}", exif=turned)
    (upright,) = encoded([tmp_path / f"photo.{ending}"])[:, 0]
    assert upright.shape == (48, 24)
    assert upright[:20].min() > 200 > 40 > upright[28:].max()


def test_photographs_of_many_pixels_become_means_of_them(tmp_path: Path) -> None:
    Image.fromarray(np.kron([[30, 120], [200, 250]], np.ones((400, 400))).astype(np.uint8)).save(tmp_path / "photo.jpg")
    with pytest.warns(UserWarning, match="64×64"):
        (shrunk,) = encoded([tmp_path / "photo.jpg"])[:, 0]
    np.testing.assert_allclose(shrunk[[16, 16, 48, 48], [16, 48, 16, 48]], [30, 120, 200, 250], atol=2)


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
