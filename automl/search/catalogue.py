"""The methods: each is a schedule (how much to spend) that holds a sampler (what to try)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.errors import SettingError, unknown
from automl.genotypes.spaces import definition_of
from automl.search.advice import Advice
from automl.search.draw import check_config, check_space
from automl.search.schedules.asha import ASHA
from automl.search.schedules.freeze_thaw import FreezeThaw
from automl.search.schedules.full import Full
from automl.search.schedules.hyperband import Hyperband
from automl.search.stopping import CurveStopping
from automl.search.trial import config_key
from automl.search.warmstarts.first import First
from automl.search.warmstarts.prior import PriorBand
from automl.search.warmstarts.transfer import Transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ConfigSpace import ConfigurationSpace

    from automl.search.protocols import Optimizer, Sampler
    from automl.search.trial import Configuration


@dataclass(frozen=True, slots=True)
class Method:
    """A line of the catalogue.

    Attributes
    ----------
    schedule: "full", "hyperband", "asha" or "freeze-thaw".
    sampler: makes the sampler; libraries are imported when it is called, or later.
    about: one line with the paper.
    lookahead: proposals to prepare while trials run; above 0 where a proposal takes longer than some trials.
    architectures: whether the space must hold architectures (`automl.genotypes.spaces.joined`).
    stops: whether runs end early by their learning curves.
    inherit: whether a trial begins with the weights of the one that its configuration is bred from; the sampler must
        then be a `Breeder`.
    """

    name: str
    schedule: str
    sampler: Callable[[], Sampler]
    about: str
    lookahead: int = 0
    architectures: bool = False
    stops: bool = False
    inherit: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether it reads learning curves, and so needs budgets along which a run goes on: epochs, not rows."""
        return self.stops or self.schedule == "freeze-thaw"


def _random() -> Sampler:
    from automl.search.samplers.random import Random

    return Random()


def _local() -> Sampler:
    from automl.search.samplers.local import Local

    return Local()


def _evolution() -> Sampler:
    from automl.search.samplers.evolution import Evolution

    return Evolution()


def _large_scale() -> Sampler:
    from automl.search.samplers.large_scale import LargeScale

    return LargeScale()


def _reinforce() -> Sampler:
    from automl.search.samplers.reinforce import Reinforce

    return Reinforce()


def _flat() -> Sampler:
    from automl.search.samplers.reinforce import Reinforce

    return Reinforce(controller=False, rate=0.1)


def _bananas() -> Sampler:
    from automl.search.samplers.bananas import Bananas

    return Bananas()


def _pnas() -> Sampler:
    from automl.search.samplers.pnas import PNAS

    return PNAS()


def _arc() -> Sampler:
    from automl.search.samplers.arc_gp import ArcGP

    return ArcGP()


def _hamming() -> Sampler:
    from automl.search.samplers.hamming_gp import HammingGP

    return HammingGP()


def _nasbot() -> Sampler:
    from automl.search.samplers.nasbot import NASBOT

    return NASBOT()


def _neat() -> Sampler:
    from automl.search.samplers.neat import NEAT

    return NEAT()


def _codeepneat() -> Sampler:
    from automl.search.samplers.codeepneat import CoDeepNEAT

    return CoDeepNEAT()


def _nash() -> Sampler:
    from automl.search.samplers.nash import NASH

    return NASH()


def _lemonade() -> Sampler:
    from automl.search.samplers.lemonade import LEMONADE

    return LEMONADE()


def _eas() -> Sampler:
    from automl.search.samplers.eas import EAS

    return EAS()


def _kde() -> Sampler:
    from automl.search.samplers.kde import KDE

    return KDE(bounded=True)


def _forest() -> Sampler:
    from automl.search.samplers.forest import Forest

    return Forest()


def _tpe() -> Sampler:
    from automl.search.samplers.tpe import TPE

    return TPE()


def _dehb() -> Sampler:
    from automl.search.samplers.dehb import DEHB

    return DEHB()


_LINES = (
    Method("random", "full", _random, "Random search (Bergstra & Bengio 2012)"),
    Method("local", "full", _local, "Local search with restarts (White, Nolen & Savani 2021)"),
    Method("evolution", "full", _evolution, "Aging evolution (Real et al. 2019)"),
    Method(
        "evolution-large-scale", "full", _large_scale, "Pairwise tournaments from trivial networks (Real et al. 2017)"
    ),
    Method("local-inherit", "full", _local, "Local search; neighbours inherit weights", inherit=True),
    Method("evolution-inherit", "full", _evolution, "Aging evolution; children inherit weights", inherit=True),
    Method(
        "evolution-large-scale-inherit",
        "full",
        _large_scale,
        "Pairwise tournaments; children inherit weights (Real et al. 2017)",
        inherit=True,
    ),
    Method(
        "nash",
        "full",
        _nash,
        "Hill climbing by network morphisms (Elsken, Metzen & Hutter 2017)",
        architectures=True,
        inherit=True,
    ),
    Method(
        "lemonade",
        "full",
        _lemonade,
        "Error against parameters by morphisms (Elsken, Metzen & Hutter 2019)",
        architectures=True,
        inherit=True,
    ),
    Method(
        "eas",
        "full",
        _eas,
        "An agent that widens and deepens networks (Cai et al. 2018)",
        architectures=True,
        inherit=True,
    ),
    Method("neat", "full", _neat, "Species and markings: NEAT (Stanley & Miikkulainen 2002)"),
    Method("codeepneat", "full", _codeepneat, "Modules and blueprints: CoDeepNEAT (Miikkulainen et al. 2017)"),
    Method("reinforce", "full", _reinforce, "Policy gradient with an LSTM controller (Zoph & Le 2017)"),
    Method("reinforce-flat", "full", _flat, "Policy gradient without a controller (Dong & Yang 2020)"),
    Method("pnas", "full", _pnas, "Progressive search with a predictor (Liu et al. 2018)"),
    Method("bananas", "full", _bananas, "Path encoding and an ensemble: BANANAS (White, Neiswanger & Savani 2021)"),
    Method("hamming-gp", "full", _hamming, "Gaussian process over counted differences: a baseline"),
    Method("arc-gp", "full", _arc, "Gaussian process with the arc kernel (Swersky et al. 2013)"),
    Method("nasbot", "full", _nasbot, "Optimal transport between networks (Kandasamy et al. 2018)", architectures=True),
    Method("hyperband", "hyperband", _random, "Hyperband over random search (Li et al. 2018)"),
    Method("asha", "asha", _random, "Asynchronous successive halving (Li et al. 2020)"),
    Method("freeze-thaw", "freeze-thaw", _random, "The run that promises most goes on (Swersky et al. 2014)"),
    Method("bohb", "hyperband", _kde, "Hyperband over kernel densities (Falkner, Klein & Hutter 2018)"),
    Method("smac", "full", _forest, "Random-forest Bayesian optimisation (Lindauer et al. 2022)", 8),
    Method("smac-hb", "hyperband", _forest, "Hyperband over a random forest (Lindauer et al. 2022)", 8),
    Method("tpe", "full", _tpe, "Tree-structured Parzen estimators (Bergstra et al. 2011)"),
    Method("tpe-hb", "hyperband", _tpe, "Hyperband over Parzen estimators (Bergstra 2011; Li 2018)"),
    Method("dehb", "hyperband", _dehb, "Hyperband over differential evolution (Awad, Mallik & Hutter 2021)"),
)

METHODS: Mapping[str, Method] = MappingProxyType({line.name: line for line in _LINES})
"""All methods by name."""
STOPPING = "+curves"
"""After the name of a method: runs that will hardly beat the best end early (`automl.search.stopping`)."""


def method_named(name: str, what: str = "method") -> Method:
    """The line of a method; SettingError names the nearest one if there is none.

    Parameters
    ----------
    name: of `METHODS`, with "+curves" after it for runs that end early by their learning curves.
    what: the parameter that holds it.
    """
    plain = name.removesuffix(STOPPING)
    if plain not in METHODS:
        raise unknown(what, plain, METHODS)
    line = METHODS[plain]
    if plain == name:
        return line
    if line.schedule == "freeze-thaw":
        raise SettingError(f"{what} {name!r}: {plain!r} follows learning curves by itself; leave out {STOPPING!r}")
    if line.inherit:
        raise SettingError(
            f"{what} {name!r}: trials of {plain!r} begin with the weights of others, so that their curves do not say "
            f"where they lead; leave out {STOPPING!r}"
        )
    return replace(line, name=name, stops=True)


def _schedule(
    line: Method, space: ConfigurationSpace, sampler: Sampler, seed: int, min_share: float, eta: int
) -> Full | Hyperband | ASHA | FreezeThaw:
    if line.schedule == "full":
        return Full(space, sampler, seed, line.inherit)
    if line.schedule == "hyperband":
        return Hyperband(space, sampler, seed, min_share, eta)
    if line.schedule == "asha":
        return ASHA(space, sampler, seed, min_share, eta)
    return FreezeThaw(space, sampler, seed, min_share)


def build(
    method: str,
    space: ConfigurationSpace,
    *,
    seed: int,
    min_share: float,
    eta: int = 3,
    initial: Sequence[Configuration] = (),
    advice: Advice | None = None,
    early: int = 1,
) -> Optimizer:
    """The optimizer of a method.

    Parameters
    ----------
    seed: >= 0; with the history, it determines every proposal.
    min_share: least share of a full run that a trial may get, in (0, 1]; methods without rungs ignore it.
    eta: factor between rungs, a whole number >= 2.
    initial: configurations tried first, at the full budget; repeated ones are tried once.
    advice: what past tasks suggest.
    early: how many of the initial ones come before what is advised.
    """
    line = method_named(method)
    if not 0 < min_share <= 1:
        raise SettingError(f"min_share is {min_share!r}; it must be in (0, 1]: a share of a full run")
    if isinstance(eta, bool) or not isinstance(eta, int) or eta < 2:
        raise SettingError(f"eta is {eta!r}; it must be a whole number of at least 2, such as 3")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SettingError(f"seed is {seed!r}; it must be a whole number of at least 0")
    if len(space) == 0:
        raise SettingError("the space has no hyperparameters; add at least one, a constant if need be")
    check_space(space)
    if line.architectures and definition_of(space) is None:
        raise SettingError(
            f"{method!r} compares architectures, and the space {space.name!r} holds none; make it by "
            "`automl.genotypes.spaces.joined`, or choose another method, such as 'arc-gp'"
        )
    sampler = line.sampler()
    schedule = _schedule(line, space, sampler, seed, min_share, eta)
    optimizer: Optimizer = schedule
    if advice is not None and advice.sources:
        optimizer = Transfer(optimizer, space, seed, advice.sources)
    if advice is not None and advice.centres:
        optimizer = PriorBand(optimizer, space, seed, advice.centres, min_share, eta)
    if line.stops and not isinstance(schedule, FreezeThaw):
        optimizer = CurveStopping(optimizer, schedule.share, seed)
    defaults = {config_key(config): config for config in (check_config(space, c) for c in initial)}
    advice = Advice() if advice is None else advice
    if not defaults and not advice.first:
        return optimizer
    return First(optimizer, tuple(defaults.values()), advice.first, advice.expected, early)
