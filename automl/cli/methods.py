"""autonet methods: what can be typed."""

from __future__ import annotations

import sys

from automl.cli.terminal import Debug, output, readable_errors, show


def methods(debug: Debug = False) -> None:
    """List what can be typed: search methods, families, search spaces, presets, warm starts, fidelities and metrics."""
    with readable_errors(debug):
        _show_methods()
        _show_families()
        _show_configs()
        _show_rest()


def _show_methods() -> None:
    from automl.search.catalogue import METHODS, STOPPING

    rows = [(line.name, line.about, line.schedule) for line in METHODS.values()]
    show("Search methods (--optimizer, optimize(method=…))", ["name", "what it is", "schedule"], rows)
    output().print(f"  {STOPPING!r} after a name, as in 'tpe{STOPPING}': runs end early by their learning curves")


def _show_families() -> None:
    from automl.architectures.catalogue import FAMILIES, family, what_is_missing

    rows = []
    for made in map(family, FAMILIES):
        about = (sys.modules[type(made).__module__].__doc__ or "").strip().partition("\n")[0]
        rows.append((made.name, f"{about} (not installed)" if what_is_missing(made) else about))
    show('Families (--families; "neural" is all networks)', ["name", "what it is"], rows)


def _show_configs() -> None:
    from automl.settings import names, preset, space_settings

    spaces = [(name, ", ".join(space_settings(name).families)) for name in names("spaces")]
    show("Search spaces (search_space=…; `autonet space NAME` shows one)", ["name", "families"], spaces)
    presets = [(name, preset(name)) for name in names("presets")]
    rows = [(n, p.optimizer, ", ".join(p.fidelities), p.search_space, p.ensemble_size) for n, p in presets]
    show("Presets (--preset)", ["name", "optimizer", "fidelities", "search space", "ensemble size"], rows)


def _show_rest() -> None:
    from automl.advise import WARM_STARTS
    from automl.evaluation.fidelity import AXES
    from automl.metrics import DEFAULT, FAST

    say = output().print
    say(f"Warm starts (--warm-start): {', '.join(WARM_STARTS)}, or none")
    say(f"Fidelities (fidelities=…): {', '.join(AXES)}, or several")
    defaults = ", ".join(f"{name} for {kind}" for kind, name in DEFAULT.items())
    say(f"Metrics (--metric): any scorer of scikit-learn, greater is better; by default {defaults}")
    say(f"  fastest: {', '.join(FAST)}")
    say("  all: sklearn.metrics.get_scorer_names()")
