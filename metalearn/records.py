"""What a store holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What was learned from, without any of its rows.

    Attributes
    ----------
    fingerprint: hash of the data, the target and the metric.
    name: for people; may be empty.
    kind: "classification" or "regression".
    metric: name of what was optimised.
    metafeatures: by name; empty where they were not computed.
    """

    fingerprint: str
    name: str = ""
    kind: str = ""
    metric: str = ""
    metafeatures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One search.

    Attributes
    ----------
    id: number of the run in its store.
    fingerprint: text that is equal for calls that may continue each other (data, space, settings, seed).
    space: the configuration space, as text.
    method: name of the search method.
    seed: seed of the search.
    settings: other settings, JSON values.
    created: when the run was opened, UTC.
    finished: whether the search reached its end.
    task: fingerprint of the task, or None where it is not known.
    versions: of the libraries that the run used, by name.
    """

    id: int
    fingerprint: str
    space: str
    method: str
    seed: int
    settings: Mapping[str, Any]
    created: datetime
    finished: bool
    task: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial of a run and its result.

    Attributes
    ----------
    number: place in the run, >= 0.
    config: active hyperparameters, JSON values.
    budget: share of a full run, in (0, 1].
    bracket, rung: place in the schedule.
    parent: number of the trial that this one continues, or None.
    seed: seed of the trial, in [0, 2**63).
    state: running, done, crashed, …: the searching side's word.
    loss: lower is better; infinite or NaN where there is none.
    cost: seconds spent.
    curve: (share of a full run, loss) pairs.
    artefact: folder of the fitted models, or None.
    error: traceback or reason, empty if there is none.
    """

    number: int
    config: Mapping[str, Any] = field(default_factory=dict)
    budget: float = 1.0
    bracket: int = 0
    rung: int = 0
    parent: int | None = None
    seed: int = 0
    state: str = "running"
    loss: float = float("inf")
    cost: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()
    artefact: str | None = None
    error: str = ""
