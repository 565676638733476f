"""The journal of a search: its trials in a store, so that a killed process can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from automl.errors import AutoNetError, SettingError
from automl.search.history import History
from automl.search.trial import Proposal, Result, State, Trial

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from metalearn import Store, TrialRecord


VERSIONS = ("autonet", "scikit-learn", "torch")
"""Packages whose versions a run keeps."""


class Journal:
    """The unfinished run of a fingerprint in a store, or a new one; `record` fits the search loop.

    Parameters
    ----------
    fingerprint: equal for the calls that may resume each other; see `fingerprint`.
    space: configuration space as text; see `space_text`.
    settings: what else is worth reading next to the run, JSON values.
    task: fingerprint of the task in the store, or None.
    """

    def __init__(
        self,
        store: Store,
        fingerprint: str,
        *,
        space: str,
        method: str,
        seed: int,
        settings: Mapping[str, Any],
        task: str | None = None,
    ) -> None:
        self._store = store
        self.run_id = store.open_run(
            fingerprint,
            space=space,
            method=method,
            seed=seed,
            settings=dict(settings),
            task=task,
            versions={name: version(name) for name in VERSIONS},
        )

    def history(self, max_budget: float = 1.0) -> History:
        """The trials recorded so far; those that were in flight when the process died are RUNNING."""
        trials = tuple(to_trial(record) for record in self._store.trials(self.run_id))
        if [t.number for t in trials] != list(range(len(trials))):
            raise AutoNetError(
                f"run {self.run_id} of the store lacks trials: it holds the numbers {[t.number for t in trials]}, "
                "which must be 0, 1, 2 …; start anew with another seed or store"
            )
        return History(trials, max_budget)

    def record(self, trial: Trial) -> None:
        """Write the trial as it stands."""
        self._store.write(self.run_id, to_record(trial))

    def finish(self) -> None:
        """Mark the run as complete: the next call with its fingerprint begins a new one."""
        self._store.finish(self.run_id)


@contextmanager
def opened(store: Any) -> Iterator[Store | None]:
    """The store that a parameter names; one that was given open stays open.

    Raises
    ------
    SettingError: the parameter is neither a URL nor a store.
    """
    if store is None:
        yield None
        return
    from metalearn import Store

    if isinstance(store, Store):
        yield store
    elif isinstance(store, str):
        with closing(Store(store)) as made:
            yield made
    else:
        raise SettingError(
            f"store {store!r} is neither a URL such as 'sqlite:///runs.db' nor a Store; give one of them"
        )


def to_record(trial: Trial) -> TrialRecord:
    """A trial as a line of the store."""
    from metalearn import TrialRecord

    proposal, result = trial.proposal, trial.result
    return TrialRecord(
        number=trial.number,
        config=dict(proposal.config),
        budget=proposal.budget,
        bracket=proposal.bracket,
        rung=proposal.rung,
        parent=proposal.parent,
        seed=trial.seed,
        state=result.state.value,
        loss=result.loss,
        cost=result.cost,
        curve=result.curve,
        artefact=result.artefact,
        error=result.error,
    )


def to_trial(record: TrialRecord) -> Trial:
    """A line of the store as a trial."""
    curve = tuple((float(share), float(loss)) for share, loss in record.curve)
    return Trial(
        record.number,
        Proposal(dict(record.config), record.budget, record.bracket, record.rung, record.parent),
        record.seed,
        Result(State(record.state), record.loss, record.cost, curve, record.artefact, record.error),
    )


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Hash of everything that makes two searches the same one, as 64 hexadecimal digits.

    Parameters
    ----------
    parts: JSON values by name: the objective's name, the space, the method, the seed, budgets and limits that change
        the trials. A limit that only ends the search does not belong here, so that a resumed search may go further.
    """
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


def qualified_name(function: Callable[..., Any]) -> str:
    """Module and name of a function, or of the class of a callable object."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"


def space_text(space: ConfigurationSpace) -> str:
    """The space as JSON, equal for equal spaces."""
    return json.dumps(space.to_serialized_dict(), sort_keys=True, default=lambda value: value.item())
