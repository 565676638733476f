"""The archive: what goes in comes out, what is damaged is refused, and nothing is ever half there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from automl import artefact
from automl.artefact import State, nest, pack, read_archive, unnest, unpack, write_archive
from automl.errors import ArtefactError

STATE: State = (
    {"name": "ü", "list": [1, 2.5, None, True], "deep": {"a": {"b": 1e-300}}},
    {"f32": np.array([[1.5, np.nan]], np.float32), "i64": np.arange(3), "none": np.empty((0, 4)), "u8": np.uint8([7])},
)


def same(one: State, other: State) -> bool:
    keys = one[0] == other[0] and sorted(one[1]) == sorted(other[1])
    return keys and all(
        a.dtype == other[1][k].dtype and a.shape == other[1][k].shape and a.tobytes() == other[1][k].tobytes()
        for k, a in one[1].items()
    )


def test_a_state_survives_packing_bit_for_bit() -> None:
    assert same(unpack(pack(STATE)), STATE)


def test_strided_arrays_are_packed_by_what_they_show() -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    assert np.array_equal(unpack(pack(({}, {"a": turned})))[1]["a"], turned)


def test_nested_states_come_apart_again_also_two_deep() -> None:
    inner = nest({"x": STATE, "y": ({"k": 1}, {})})
    parts = unnest(nest({"inner": inner, "other": STATE}))
    assert same(parts["other"], STATE)
    assert same(unnest(parts["inner"])["x"], STATE)


def test_an_archive_survives_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "model.autonet"
    write_archive(path, {"one": STATE, "two": ({}, {})})
    entries = read_archive(path)
    assert list(entries) == ["one", "two"]
    assert same(entries["one"], STATE)
    assert [p.name for p in tmp_path.iterdir()] == ["model.autonet"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.autonet"
    write_archive(path, {"one": STATE})
    before = path.read_bytes()

    def full_disk(state: State) -> bytes:
        raise OSError("no space left")

    monkeypatch.setattr(artefact, "pack", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_archive(path, {"one": ({"new": True}, {})})
    assert path.read_bytes() == before


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.autonet"
    write_archive(path, {"one": STATE})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ArtefactError, match=r"is no saved model .*give a file written by save"):
        read_archive(path)


def test_a_changed_byte_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "model.autonet"
    write_archive(path, {"one": STATE})
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            entries = read_archive(path)
        except ArtefactError:
            continue
        assert all(same(state, STATE) for state in entries.values())  # a date or an attribute of the zip was hit


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is no saved model"):
        read_archive(tmp_path / "absent")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ArtefactError, match="is no saved model"):
        read_archive(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(ArtefactError, match="has the format 'none'"):
        read_archive(tmp_path / "zip")
    with zipfile.ZipFile(tmp_path / "later", "w") as archive:
        archive.writestr("format", "autonet-99")
    with pytest.raises(ArtefactError, match=r"'autonet-99'; this version reads 'autonet-1'"):
        read_archive(tmp_path / "later")


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", pack(STATE)[:-8], pack(STATE)[:5]], ids=["empty", "text", "cut", "head"]
)
def test_damaged_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(ArtefactError, match="are no saved state"):
        unpack(data)
