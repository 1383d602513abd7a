"""apcli explains what pruning does to a neural network.

Its functions, and the classes that they return and raise, are imported on first use: ``import apcli`` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apcli.api.export import export, load
    from apcli.api.functions import (
        behaviour,
        bounds,
        describe,
        divergence,
        finetune,
        plan,
        prune,
        report,
        report_html,
        train,
    )
    from apcli.checkpoints.checkpoint import Checkpoint
    from apcli.errors import ApcliError, UsageError, VerificationError

__version__ = "0.2.0.dev0"
__all__ = [
    "ApcliError",
    "Checkpoint",
    "UsageError",
    "VerificationError",
    "__version__",
    "behaviour",
    "bounds",
    "describe",
    "divergence",
    "export",
    "finetune",
    "load",
    "plan",
    "prune",
    "report",
    "report_html",
    "train",
]

_HOMES = {
    **dict.fromkeys(
        ("train", "prune", "plan", "finetune", "divergence", "bounds", "behaviour"),
        "apcli.api.functions",
    ),
    **dict.fromkeys(("describe", "report", "report_html"), "apcli.api.functions"),
    **dict.fromkeys(("export", "load"), "apcli.api.export"),
    **dict.fromkeys(("ApcliError", "UsageError", "VerificationError"), "apcli.errors"),
    "Checkpoint": "apcli.checkpoints.checkpoint",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
