"""The estimators' parameters → a plan; every parameter is checked here, before anything is done."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from automl.advise import SHIPPED, WARM_STARTS
from automl.architectures.catalogue import FAMILIES, family, what_is_missing
from automl.architectures.family import Family, is_network, takes_images
from automl.architectures.torchvision_networks import TorchvisionNetworks
from automl.errors import SettingError, unknown
from automl.evaluation.fidelity import Fidelity
from automl.plan import FULL_SHARE, IMAGE_FULL_SHARE, Plan
from automl.search import catalogue
from automl.search.history import History
from automl.search.trial import config_key
from automl.settings import SpaceSettings, preset, space_settings
from automl.sharing import cells_among, is_one_shot
from automl.space import FAMILY, complete, joint_space, legal
from automl.supernet.catalogue import ONE_SHOT

DEFAULT_TIME = 60.0
WARM_CONFIGURATIONS = 10


def make_plan(parameters: Any) -> Plan:
    """The plan that an estimator's parameters describe.

    Raises
    ------
    SettingError: names the parameter, its value, the rule and the cure.
    """
    p = parameters
    chosen = preset(p.preset)
    usual = chosen.image_space if p.images else chosen.search_space
    settings = space_settings(p.search_space if isinstance(p.search_space, str) else usual)
    families = select_families(p.families, settings)
    _check_kind(families, p)
    update = settings.updates() if p.search_space is None or isinstance(p.search_space, str) else p.search_space
    _check_update(update)
    # A call that is to be resumed must draw the same numbers again.
    seed = 0 if p.random_state is None and p.store is not None else _seed(p.random_state)
    space = joint_space(list(families.values()), update, parts=settings.spaces(), weights=settings.weights, seed=seed)
    method = p.optimizer if p.optimizer is not None else chosen.optimizer
    fidelity = Fidelity.of(p.fidelities if p.fidelities is not None else chosen.fidelities)
    if catalogue.method_named(method, "optimizer").goes_on and not fidelity.continues:
        raise SettingError(
            f"optimizer {method!r} follows learning curves, which begin anew with fidelities {fidelity.axes}; "
            "give fidelities='epochs'"
        )
    n_jobs, threads = _jobs(p.n_jobs)
    n_trials = None if p.n_trials is None else _whole("n_trials", p.n_trials)
    time_limit = _positive("time_limit", p.time_limit, "seconds")
    initial, early, given = _initial(space, families, settings, p.warm_start, images=p.images)
    return Plan(
        space=space,
        families=families,
        initial=initial,
        early=early,
        warm_start=p.warm_start if isinstance(p.warm_start, str) else None,
        knowledge=_knowledge(p.knowledge, settings),
        method=method,
        fidelity=fidelity,
        min_budget=chosen.min_budget,
        eta=chosen.eta,
        epochs=0,
        n_trials=n_trials,
        time_limit=DEFAULT_TIME if time_limit is None and n_trials is None else time_limit,
        ensemble_size=_whole("ensemble_size", chosen.ensemble_size if p.ensemble_size is None else p.ensemble_size),
        n_jobs=n_jobs,
        threads=threads,
        memory_limit=_positive("memory_limit", p.memory_limit, "MiB") or _memory_share(n_jobs),
        trial_time_limit=_positive("trial_time_limit", p.trial_time_limit, "seconds"),
        device=_device(p.device),
        cells=cells_among(families.values(), p.warm_start) if is_one_shot(p.warm_start) else None,
        seed=seed,
        given=given,
        full_share=IMAGE_FULL_SHARE if p.images else FULL_SHARE,
        split_as_usual=p.resampling is None,
    )


def _check_kind(families: dict[str, Family], p: Any) -> None:
    """Families of the right kind only, and the local weights that they are to begin with in their places."""
    for name, each in families.items():
        if takes_images(each) != p.images:
            kind = "images" if takes_images(each) else "tables"
            raise SettingError(f"the family {name!r} is for {kind}; {type(p).__name__} needs others: leave it out")
    weights = getattr(p, "weights", None)
    if not weights:
        return
    if not isinstance(weights, Mapping):
        raise SettingError(f"weights {weights!r} must be a dictionary, such as {{'resnet18': 'resnet18.safetensors'}}")
    made: Any = TorchvisionNetworks(weights)
    if made.name not in families:
        raise SettingError(f"weights are for the family {made.name!r}, which is not searched; add it to families")
    made.check_weights()
    families[made.name] = made


def _check_update(update: Any) -> None:
    from ConfigSpace import ConfigurationSpace

    if update is None:
        return
    if not isinstance(update, ConfigurationSpace):
        raise SettingError(
            f"search_space {update!r} is neither the name of a search space nor a ConfigurationSpace; wrap it: "
            "ConfigurationSpace({...})"
        )
    if update.conditions or update.forbidden_clauses:
        raise SettingError(
            "a search_space that updates another replaces hyperparameters only; leave out its conditions and "
            "forbidden clauses"
        )


def select_families(wanted: Any, settings: SpaceSettings) -> dict[str, Family]:
    """Families by name, in the order of the search space.

    A list with names holds exactly these; a list of objects alone adds them to the search space's families. Those of
    the search space whose library is not installed are left out, but one that is asked for is an error.
    """
    own = [name for name in settings.families if what_is_missing(family(name)) is None]
    exclude: list[Any] = []
    if isinstance(wanted, Mapping):
        for key in wanted:
            if key not in ("include", "exclude"):
                raise unknown("key of families", key, ("include", "exclude"))
        left_out, wanted = wanted.get("exclude", ()), wanted.get("include")
        exclude = [left_out] if isinstance(left_out, str) else list(left_out)
    items = list(own) if wanted is None else [wanted] if isinstance(wanted, str) else list(wanted)
    if items and not any(isinstance(item, str) for item in items):
        items = [*own, *items]
    found: dict[str, Family] = {}
    for item in items:
        names = [n for n in own if is_network(family(n))] if item == "neural" else [item]
        for each in names:
            made = family(each)
            if missing := what_is_missing(made):
                raise SettingError(missing)
            if found.get(made.name, made) is not made and not isinstance(each, str):
                raise SettingError(f"two families are called {made.name!r}; give each family a name of its own")
            found[made.name] = made
    for name in exclude:
        if name in settings.families and name not in own:
            continue
        if name not in found:
            raise unknown("family to exclude", name, found)
        del found[name]
    if not found:
        raise SettingError(f"families {wanted!r} leaves nothing to search; known names: {', '.join(FAMILIES)}")
    return found


def _initial(
    space: Any, families: Mapping[str, Family], settings: SpaceSettings, warm_start: Any, *, images: bool
) -> tuple[list[dict[str, Any]], int, int]:
    """What is tried first: the warm start, then the search space's own, without repetitions.

    And how many of these come before what past tasks suggest, and how many the user has given.
    """
    warm: list[Mapping[str, Any]] = []
    if isinstance(warm_start, History):
        warm = [t.config for t in sorted(warm_start.done, key=lambda t: t.loss)[:WARM_CONFIGURATIONS]]
    elif isinstance(warm_start, str):
        names = (*WARM_STARTS, *(ONE_SHOT if images else ()))
        if warm_start in ONE_SHOT and not images:
            raise SettingError(
                f"warm_start {warm_start!r} shares the weights of cells, which networks for tables do not have; give "
                f"images to AutoNetImageClassifier, or choose one of {', '.join(WARM_STARTS)}"
            )
        if warm_start not in names:
            raise unknown("warm start", warm_start, names)
    elif warm_start is not None and warm_start is not False:  # scikit-learn's tools switch it off by False
        if isinstance(warm_start, bool | Mapping) or not all(isinstance(c, Mapping) for c in warm_start):
            raise SettingError(
                f"warm_start {warm_start!r} is none of {', '.join(WARM_STARTS)}, no history and no list of "
                "configurations; give one of the names, the history_ of an earlier fit, or dictionaries"
            )
        warm = list(warm_start)
    own = [c for c in settings.initial if legal(space, c)]
    # A user's own families, and weights, come early; a cheap trial comes first. What the search space has, but does not
    # begin with, is left to the search.
    named = {c[FAMILY] for c in own if FAMILY in c}
    usual = named.union(name for name in settings.families if not getattr(families.get(name), "weights", None))
    added = [{FAMILY: name} for name in getattr(space[FAMILY], "choices", ()) if name not in usual]
    configurations: list[dict[str, Any]] = []
    early = [*warm, *own[:1], *added]
    for partial in [*early, *own[1:], {}]:
        whole = complete(space, partial)
        if whole not in configurations:
            configurations.append(whole)
    distinct, given = ({config_key(complete(space, partial)) for partial in some} for some in (early, warm))
    return configurations, len(distinct), len(given)


def _knowledge(named: Any, settings: SpaceSettings) -> str | None:
    """What is known beside the store: the file that is named, or else what the search space has been learned for."""
    if named is None:
        return settings.knowledge
    if not isinstance(named, str | os.PathLike):
        raise SettingError(f"knowledge {named!r} is neither {SHIPPED!r} nor the path of a file; give one of them")
    return os.fspath(named)


def _seed(random_state: Any) -> int:
    from sklearn.utils import check_random_state

    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        if not 0 <= random_state < 2**32:
            raise SettingError(f"random_state {random_state} is outside [0, 2**32); take a number inside")
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31))
    except ValueError as error:
        raise SettingError(
            f"random_state {random_state!r}: {error}; give a whole number, a RandomState or None"
        ) from error


def _jobs(n_jobs: Any) -> tuple[int, int]:
    """Workers and threads of each, as scikit-learn counts: −1 is all cores, −2 all but one."""
    import joblib

    cores = int(joblib.cpu_count())
    if n_jobs is None:
        n_jobs = 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int | np.integer) or n_jobs == 0:
        raise SettingError(f"n_jobs {n_jobs!r} must be a whole number other than 0; −1 takes all cores")
    workers = int(n_jobs) if n_jobs > 0 else max(1, cores + 1 + int(n_jobs))
    return workers, max(1, cores // workers)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise SettingError(f"{name} {value!r} must be a whole number of at least 1")
    return int(value)


def _positive(name: str, value: Any, unit: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise SettingError(f"{name} {value!r} must be a number of {unit} above 0, or None")
    return float(value)


def _memory_share(n_jobs: int) -> float:
    """MiB that each of the workers may take: an even share of four fifths of the memory free now."""
    import psutil

    return float(0.8 * psutil.virtual_memory().available / n_jobs / 2**20)


def _device(device: Any) -> str:
    if device not in ("auto", "cpu", "cuda"):
        raise unknown("device", device, ("auto", "cpu", "cuda"))
    if device == "cpu" or (device == "auto" and shutil.which("nvidia-smi") is None):
        return "cpu"  # without asking torch, whose import takes seconds
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise SettingError("device 'cuda': torch finds no CUDA device here; use 'auto' or 'cpu'")
    return "cpu"
