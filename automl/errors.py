"""Every error that a user of AutoNet may meet, on one page."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutoNetError(Exception):
    """Base of all errors raised by AutoNet itself."""


class SettingError(AutoNetError, ValueError):
    """A parameter, option or configuration file holds a value that breaks a rule."""


class TasksRefused(SettingError):
    """Task files break rules, so that none of them is run; the message has a line for every problem."""


class GenotypeError(AutoNetError, ValueError):
    """An architecture breaks a rule of its family; the message names the place, the rule and the cure."""


class DataError(AutoNetError, ValueError):
    """The data given cannot be learned from as they are."""


class SearchFailed(AutoNetError, RuntimeError):
    """No trial finished; the message holds the causes by number and the first traceback."""


class ArtefactError(AutoNetError, ValueError):
    """A saved model cannot be read: damaged, of another format, or missing a family."""


class ExportError(AutoNetError, ValueError):
    """A fitted model, or a part of it, cannot be written as ONNX; the message names the part and the cure."""


def unknown(kind: str, value: object, known: Iterable[str]) -> SettingError:
    """Error for a name that is not in a table, with the nearest known name as the cure."""
    names = sorted(known)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return SettingError(f"unknown {kind} {value!r}{hint} (known: {', '.join(names)})")
