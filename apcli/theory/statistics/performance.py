"""PD, the performance difference between a dense network and a pruned one."""

from collections.abc import Mapping
from typing import Any

SPLITS = ("test", "train")


def difference(dense: Mapping[str, Any] | None, pruned: Mapping[str, Any] | None) -> dict[str, dict[str, float] | None]:
    """|L(dense) - L(pruned)| in mean cross-entropy (nats) and in accuracy (percentage points), for each split.

    Args:
        dense: per split, an object with ``loss`` and ``accuracy``; missing ones are unknown.
        pruned: the same for the pruned network, on the same data.

    Source: arXiv:2403.00155, Definition 6, where PD is a difference of risks; its experiments plot that of accuracies.
    A split that is unknown on either side, or whose loss is not finite, is None.
    """
    return {split: _difference((dense or {}).get(split), (pruned or {}).get(split)) for split in SPLITS}


def _difference(dense: Mapping[str, Any] | None, pruned: Mapping[str, Any] | None) -> dict[str, float] | None:
    if not dense or not pruned or None in (dense["loss"], pruned["loss"]):
        return None
    return {key: abs(dense[key] - pruned[key]) for key in ("loss", "accuracy")}
