"""What a file says beside its tensors and its lineage: strangers' metadata, which every stage hands on.

A LoRA's training settings, an author, the framework that a file is for: none of it is apcli's to drop. Keys stand in a
fixed order, so that the same input gives the same bytes. Standard library only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apcli.checkpoints.files import shards

KEY = "apcli"  # the metadata that holds the lineage
_COUNTS = ("total_size", "total_parameters")  # what an index says of all its files: bytes, and numbers


def ordered(said: Mapping[str, Any]) -> dict[str, Any]:
    """``format`` first, which loaders look for, ``pt`` where ``said`` has none; the other keys sorted; no lineage."""
    others = {key: said[key] for key in sorted(said) if key not in ("format", KEY)}
    return {"format": said.get("format", "pt"), **others}


def of_one_file(said: Mapping[Path, Mapping[str, Any]]) -> dict[str, str]:
    """What several files say, for a single one that takes their place; the first to name a key is heard.

    A header's values are texts: an index's numbers are left out.
    """
    found: dict[str, str] = {}
    for file, metadata in said.items():
        counts = _COUNTS if shards.is_index(file) else ()
        texts = {key: text for key, text in metadata.items() if isinstance(text, str) and key not in counts}
        found = {**texts, **found}
    return found


def of_index(said: Mapping[str, Any], same_numbers: bool) -> dict[str, Any]:
    """What an index says that is still true of its tensors' successors: of the counts, at most that of the numbers."""
    stale = _COUNTS[:1] if same_numbers else _COUNTS
    return {key: value for key, value in said.items() if key not in stale}
