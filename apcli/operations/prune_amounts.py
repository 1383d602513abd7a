"""How sparse: of the weights in scope, and of the whole model."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from apcli.checkpoints import Checkpoint
from apcli.entries import Entry
from apcli.errors import UsageError
from apcli.layers import Layer

log = logging.getLogger("apcli")


def share_of_compression(source: Checkpoint, layers: Sequence[Layer], compression: float) -> float:
    """The sparsity of ``layers`` that leaves the whole model total / nonzero numbers at ``compression``.

    Raises:
        UsageError: the layers cannot give that compression.
    """
    total = sum(entry.size for entry in source.entries.values())
    zeros = {name: entry.zeros for name, entry in source.entries.items() if entry.is_float}
    scope = sum(layer.size for layer in layers)
    outside = sum(zeros.values()) - sum(zeros[layer.tensor] for layer in layers)
    wanted = total - round(total / compression) - outside
    if not 0 <= wanted < scope:
        most = total / max(1, total - outside - scope + 1)
        raise UsageError(
            f"--compression {compression:g} cannot be had of {source.label}: the chosen layers have {scope} of its "
            f"{total} numbers, so at most {most:.4g}: choose less, or more layers"
        )
    return wanted / scope


def tell(label: str, promises: Mapping[str, Mapping[str, Any]], entries: Mapping[str, Entry]) -> None:
    """Both ways to say how sparse the result is: over the weights in scope, and over the whole model."""
    zeros = sum(p["zeros"] for p in promises.values())
    size = sum(p["size"] for p in promises.values())
    total = sum(entry.size for entry in entries.values())
    there = sum(entry.zeros for tensor, entry in entries.items() if entry.is_float and tensor not in promises)
    nonzero = total - there - zeros
    log.info(
        "%s: %d of %d weights in %d layers are zero (sparsity %.6g); of the whole model's %d numbers %d are not "
        "(sparsity %.6g, compression %s)",
        *(label, zeros, size, len(promises), zeros / max(1, size), total, nonzero, 1 - nonzero / max(1, total)),
        f"{total / nonzero:.4g}" if nonzero else "infinite",
    )
