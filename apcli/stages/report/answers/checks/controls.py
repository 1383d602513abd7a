"""Checks of the controls: what a method has to beat."""

from collections.abc import Sequence

from apcli.stages.report.answers.checks.evidence import Evidence, Found
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.trials import FILTER, Trial, scope_in, structure_in
from apcli.stages.report.words import percent
from apcli.words import few, join

MAGNITUDE = ("lowest", "l1", "l2")  # of weights, and of filters
_SAME_LAYERS = "random-same-layers of "


def random_of_scope(evidence: Evidence) -> Found:
    """Whether weights were also removed at random within the scope of each method: over a network, or of each layer."""
    if not evidence.methods:
        return False, "no method other than at random is known"
    at_random = {_scope(evidence, one.trial): one.run.method for one in evidence.made if _is_random(one.trial)}
    scopes = dict.fromkeys(_scope(evidence, runs[0].trials[0]) for runs in evidence.methods.values())
    without = [scope for scope in scopes if scope not in at_random]
    if without:
        missing = join([_like(scope) for scope in without])
        return False, f"no {missing}: whether a method beats chance is not known"
    return True, join([at_random[scope] for scope in scopes])


def random_same_layers(evidence: Evidence) -> Found:
    """Whether each method has, at some sparsity, a control that removes as many weights of each layer at random."""
    if not evidence.methods:
        return False, "no method other than at random is known"
    controlled = {method: _controlled(evidence, runs) for method, runs in evidence.methods.items()}
    without = [method for method, sparsities in controlled.items() if not sparsities]
    if without:
        return False, f"no such control of {few(without)}: see {join(list(dict.fromkeys(map(_remedy, without))))}"
    at = [f"{method} at {few([percent(s) for s in sparsities])}" for method, sparsities in controlled.items()]
    return True, f"of {few(at)}"


def _remedy(method: str) -> str:
    of_filters = "(filter" in method
    return "`--structure filter --method random`" if of_filters else "`--method random-same-layers --like FILE`"


def _controlled(evidence: Evidence, runs: Sequence[Run]) -> list[float]:
    """The sparsities at which a method's runs have a control that removes as many weights of each layer."""
    own = runs[0].trials[0]
    found = set()
    for run in evidence.group.runs:
        control = run.trials[0]
        alike = control.scope == own.scope != "global" or len(_layers(evidence, control)) == 1
        if control.method == f"{_SAME_LAYERS}{own.method}" or (_is_random(control) and alike):
            found.add(run.sparsity)
    return sorted(run.sparsity for run in runs if run.sparsity is not None and run.sparsity in found)


def magnitude(evidence: Evidence) -> Found:
    """Whether weights of lowest magnitude were removed, which other methods have to beat."""
    found = [method for method, runs in evidence.methods.items() if _base(runs[0].trials[0]) in MAGNITUDE]
    return bool(found), join(found) if found else "no `--method lowest`"


def _base(trial: Trial) -> str:
    """A method's name without parameters."""
    return (trial.method or "").partition(" ")[0].partition(":")[0]


def _is_random(trial: Trial) -> bool:
    return _base(trial) == "random"


def _scope(evidence: Evidence, trial: Trial) -> str:
    """The scope within which weights are ranked; in a single layer the scopes that rank weights are the same."""
    alone = not trial.of_channels and len(_layers(evidence, trial)) == 1
    return "layer" if alone else trial.scope or "unknown"


def _like(scope: str) -> str:
    """The options that make the control of a scope."""
    name, of_channels = scope_in(scope), structure_in(scope) == FILTER
    words = ["--structure filter" if of_channels else "", "--method random", f"--scope {name}" if name else ""]
    return f"`{' '.join(filter(None, words))}`"


def _layers(evidence: Evidence, trial: Trial) -> tuple[str, ...]:
    return next(one.pruned for one in evidence.made if one.trial is trial)
