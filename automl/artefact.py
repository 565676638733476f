"""The restricted format of everything that is saved: JSON for what is said, safetensors for what is counted.

Nothing in it can run when it is read: there is no pickle, and scikit-learn's estimators go through skops, whose
loader builds only types that are named here or that skops itself trusts.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.errors import ArtefactError

State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""What an object is made of: JSON-able values, and arrays of plain dtypes."""

_JSON = "json"
FORMAT = "autonet-1"


def pack(state: State) -> bytes:
    """One block of bytes that holds a state."""
    from safetensors.numpy import save

    values, arrays = state
    text = np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)
    return bytes(save({_JSON: text, **{k: np.ascontiguousarray(a) for k, a in arrays.items()}}))


def unpack(data: bytes) -> State:
    """The state in a block of bytes.

    Raises
    ------
    ArtefactError: the bytes are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        values = json.loads(arrays.pop(_JSON).tobytes().decode())
    except (SafetensorError, KeyError, ValueError) as error:
        raise ArtefactError(f"{len(data)} bytes are no saved state ({error}); save the model again") from error
    return values, arrays


def nest(states: Mapping[str, State]) -> State:
    """Several states as one, told apart by their names."""
    values = {name: state[0] for name, state in states.items()}
    arrays = {f"{name}/{key}": array for name, state in states.items() for key, array in state[1].items()}
    return values, arrays


def unnest(state: State) -> dict[str, State]:
    """The inverse of `nest`."""
    values, arrays = state
    parts: dict[str, State] = {name: (part, {}) for name, part in values.items()}
    for key, array in arrays.items():
        name, _, rest = key.partition("/")
        parts[name][1][rest] = array
    return parts


def write_archive(path: Path, entries: Mapping[str, State]) -> None:
    """One file with several states; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("format", FORMAT)
        for name, state in entries.items():
            archive.writestr(name, pack(state))
    part.replace(path)


def read_archive(path: Path) -> dict[str, State]:
    """The states in a file written by `write_archive`.

    Raises
    ------
    ArtefactError: there is no such file, or it is damaged or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = archive.read("format").decode() if "format" in names else "none"
            if found != FORMAT:
                raise ArtefactError(f"{path} has the format {found!r}; this version reads {FORMAT!r}")
            return {name: unpack(archive.read(name)) for name in names if name != "format"}
    except (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        if isinstance(error, ArtefactError):
            raise
        raise ArtefactError(f"{path} is no saved model ({error}); give a file written by save()") from error
