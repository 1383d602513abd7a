"""Metadata of other programs in a file's header, which every stage passes on.

A LoRA's training settings, an author, the framework that a file is for: apcli must not drop them. Keys are in a fixed
order, so that the same input gives the same bytes. Standard library only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apcli.checkpoints.files import shards

KEY = "apcli"  # the metadata that holds the lineage
_COUNTS = ("total_size", "total_parameters")  # an index's totals over its files: bytes, and parameters


def ordered(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``format`` first (by default ``pt``), which loaders look for; sort the other keys; drop the lineage."""
    others = {key: metadata[key] for key in sorted(metadata) if key not in ("format", KEY)}
    return {"format": metadata.get("format", "pt"), **others}


def of_one_file(by_file: Mapping[Path, Mapping[str, Any]]) -> dict[str, str]:
    """Merge the metadata of several files for a single file that replaces them; the first value of a key wins.

    A header's values are texts, so an index's numbers are left out.
    """
    merged: dict[str, str] = {}
    for file, metadata in by_file.items():
        counts = _COUNTS if shards.is_index(file) else ()
        texts = {key: text for key, text in metadata.items() if isinstance(text, str) and key not in counts}
        merged = {**texts, **merged}
    return merged


def of_index(metadata: Mapping[str, Any], same_numbers: bool) -> dict[str, Any]:
    """An index's metadata that is still true after its tensors changed: no totals, except of unchanged numbers."""
    stale = _COUNTS[:1] if same_numbers else _COUNTS
    return {key: value for key, value in metadata.items() if key not in stale}
