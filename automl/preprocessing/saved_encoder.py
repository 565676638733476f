"""A fitted skrub encoder as bytes in skops' restricted format: loading builds none but listed types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.errors import ArtefactError


def dump(encoder: Any) -> npt.NDArray[np.uint8]:
    """The encoder as bytes (m,)."""
    import skops.io

    return np.frombuffer(skops.io.dumps(encoder), dtype=np.uint8).copy()


def load(saved: npt.NDArray[np.uint8], trusted: Sequence[str]) -> Any:
    """The encoder that was dumped.

    Raises
    ------
    ArtefactError: the bytes are damaged or hold a type that is neither in `trusted` nor skops' own list.
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(saved.tobytes(), trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise ArtefactError(f"a saved encoder holds types that are not trusted: {error}; save it anew") from error
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise ArtefactError(f"a saved encoder cannot be read ({error}); save it anew") from error
