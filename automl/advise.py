"""What past tasks suggest for a new one: the shipped knowledge and the user's own store → advice for a search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import SettingError
from automl.metafeatures import metafeatures
from automl.search.advice import Advice, Source
from automl.space import complete, legal
from metalearn.distance import Scale
from metalearn.errors import StoreError
from metalearn.experience import OWN_GROUP, experience
from metalearn.knowledge import Knowledge, shipped
from metalearn.neighbours import nearest_best
from metalearn.portfolio import greedy_portfolio, standings

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from automl.task import Task
    from metalearn import Store

WARM_STARTS = ("auto", "portfolio", "neighbours", "prior", "transfer")
"""Ways to start from what past tasks taught, beside None and configurations of the user's own."""
SHIPPED = "shipped"
"""Name of the knowledge that comes with the package."""
PORTFOLIO, TIMED_PORTFOLIO = 16, 24
"""Configurations that are tried first where trials are counted, and where time is: the cheaper ones come first then."""
NEAR = 0.1
"""Distance below which a stored task is taken to be of the same sort, so that its best come before the portfolio."""
OWN = 4
"""Configurations of such tasks that are tried."""
CENTRES = 32
"""Configurations from which the prior of each hyperparameter is learned: the best of as many near tasks."""
SOURCES, SOURCE_POINTS = 8, 64
"""Past tasks that are modelled, and configurations of each."""


def advise(
    how: str,
    task: Task,
    space: ConfigurationSpace,
    *,
    store: Store | None,
    knowledge: str | None,
    timed: bool = False,
    features: Mapping[str, float] | None = None,
) -> Advice:
    """The advice for a search of this task.

    Parameters
    ----------
    how: one of `WARM_STARTS`.
    store: what the user's own tasks taught; None for nothing.
    knowledge: "shipped", the path of a file that `metalearn.campaign` made, or None for the store alone.
    timed: whether time ends the search rather than a number of trials.
    features: metafeatures of the task, where they are known already.
    """
    if features is None and (store is not None or how not in ("auto", "portfolio")):
        features = metafeatures(task)
    known = _known(task, features or {}, space, store, knowledge)
    if known is None:
        return Advice()
    if how in ("auto", "portfolio"):
        rows = _portfolio(known, timed)
        return _first(space, known, rows if how == "portfolio" else [*_own(known, features), *rows])
    assert features is not None
    tasks = [t.metafeatures for t in known.tasks]
    best = nearest_best(features, tasks, known.full, CENTRES)
    if how == "neighbours":
        return _first(space, known, best[:PORTFOLIO])
    near = _whole(space, known, best)
    if how == "prior":
        return Advice(first=near[:1], centres=near)
    order = np.argsort(Scale.of(tasks).distances(features, tasks), kind="stable")
    return Advice(first=near[:1], sources=_sources(known, order[:SOURCES].tolist(), space))


def _known(
    task: Task,
    features: Mapping[str, float],
    space: ConfigurationSpace,
    store: Store | None,
    knowledge: str | None,
) -> Knowledge | None:
    """All that is known of tasks of this kind in configurations that the space allows; None for nothing."""
    kind = "classification" if task.classification else "regression"
    parts = []
    if knowledge is not None:
        parts.append(_read(knowledge).of_kind(kind))
    if store is not None:
        parts.append(experience(store, features, kind=kind, metric=task.metric.name))
    whole: Knowledge | None = None
    for part in parts:
        usable = part.rows([i for i, config in enumerate(part.configurations) if legal(space, config)])
        if usable.tasks and usable.configurations:
            whole = usable if whole is None else whole.joined(usable)
    return whole


def _own(known: Knowledge, features: Mapping[str, float] | None) -> list[int]:
    """Rows of the best configurations of the user's own tasks that are nearly this one."""
    if features is None:
        return []
    tasks = [t.metafeatures for t in known.tasks]
    distances = Scale.of(tasks).distances(features, tasks)
    alike = [t for t, group in enumerate(known.groups) if group == OWN_GROUP and distances[t] <= NEAR]
    return nearest_best(features, [tasks[t] for t in alike], known.full[:, alike], OWN)


def _portfolio(known: Knowledge, timed: bool) -> list[int]:
    return (
        greedy_portfolio(known.full, TIMED_PORTFOLIO, known.spent) if timed else greedy_portfolio(known.full, PORTFOLIO)
    )


def _first(space: ConfigurationSpace, known: Knowledge, rows: Iterable[int]) -> Advice:
    """These rows, each once, with what is expected of them: the mean standing on the tasks where they were measured."""
    rows = list(dict.fromkeys(rows))
    standing, measured = standings(known.full)[rows], ~np.isnan(known.full[rows])
    expected = (standing * measured).sum(axis=1) / measured.sum(axis=1).clip(1)
    return Advice(first=_whole(space, known, rows), expected=tuple(expected.tolist()))


def _whole(space: ConfigurationSpace, known: Knowledge, rows: Iterable[int]) -> tuple[dict[str, Any], ...]:
    return tuple(complete(space, known.configurations[row]) for row in rows)


def _read(knowledge: str) -> Knowledge:
    if knowledge == SHIPPED:
        return shipped()
    try:
        return Knowledge.read(Path(knowledge))
    except StoreError as error:
        raise SettingError(f"knowledge {knowledge!r}: {error}") from error


def _sources(knowledge: Knowledge, tasks: Sequence[int], space: ConfigurationSpace) -> tuple[Source, ...]:
    """The tasks' measured configurations, the best of each."""
    found = []
    for task in tasks:
        losses = knowledge.full[:, task]
        rows = [int(row) for row in np.argsort(losses, kind="stable") if np.isfinite(losses[row])][:SOURCE_POINTS]
        if len(rows) > 1:
            configurations = tuple(complete(space, knowledge.configurations[row]) for row in rows)
            found.append(Source(configurations, tuple(losses[rows].tolist())))
    return tuple(found)
