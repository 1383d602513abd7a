"""The labels of methods: what was run, so that no two labels of one group mean different things."""

from apcli.criteria import FILTER_METHODS, METHODS
from apcli.stages.report.runs.trials import Trial
from apcli.words import count

_CONTROLS = {row.name for table in (METHODS, FILTER_METHODS) for row in table if "seed" in row.needs}


def label_of(trial: Trial, with_layers: bool) -> str | None:
    """The method with its scope, and with the layers on request; None for a trial without a known method."""
    if trial.method is None:
        return None
    about = [] if trial.scope is None else [trial.scope]
    if with_layers and trial.subject:
        about.append(trial.subject[0] if len(trial.subject) == 1 else count(len(trial.subject), "layer"))
    return f"{trial.method} ({', '.join(about)})" if about else trial.method


def order_of(method: str | None) -> int:
    """The place of a method in the tables; after all of them if it is in none."""
    names = [row.name for table in (METHODS, FILTER_METHODS) for row in table]
    name = (method or "").partition(":")[0]
    return names.index(name) if name in names else len(names)


def qualified(label: str, by: str) -> str:
    """A label that also says ``by`` what its runs are told apart: ``lowest (global, a.safetensors)``."""
    return f"{label[:-1]}, {by})" if label.endswith(")") else f"{label} ({by})"


def is_control(method: str) -> bool:
    """Whether the method in a label, or in a record, removes weights at random."""
    return method.partition(" ")[0].partition(":")[0] in _CONTROLS
