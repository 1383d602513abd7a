"""Sharded checkpoints: the index file that lists which of several files holds each tensor.

``X.safetensors.index.json`` is one JSON object, ``{"metadata": {"total_size": ...}, "weight_map": {tensor: file}}``,
beside files ``X-00001-of-00003.safetensors``, as huggingface_hub writes them (``save_torch_state_dict``). Older models
have ``X.bin.index.json``, beside files of ``torch.save``. Standard library only.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from apcli.errors import ApcliError

SUFFIX = ".safetensors.index.json"  # of what is written
OF_PICKLES = ".bin.index.json"
_FILES = {SUFFIX: (".safetensors", "a safetensors file"), OF_PICKLES: (".bin", "a PyTorch file")}


@dataclass(frozen=True)
class ShardIndex:
    """An index's metadata, and the tensors of each file, files sorted by name."""

    metadata: Mapping[str, object]
    files: Mapping[str, tuple[str, ...]]


def is_index(path: Path) -> bool:
    return path.name.endswith((SUFFIX, OF_PICKLES))


def read(path: Path) -> ShardIndex:
    """Read an index.

    Raises:
        ApcliError: it is not an index, or lists a file outside its folder.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ApcliError(f"cannot read {path}: {error.strerror}: expected the index of a sharded checkpoint") from None
    try:
        index = json.loads(text)
        metadata, placed = index.get("metadata") or {}, index["weight_map"]
        if not placed or not isinstance(metadata, dict) or {type(file) for file in placed.values()} != {str}:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ApcliError(
            f"{path} is no index of a sharded checkpoint: expected an object with a weight_map from tensors to files"
        ) from None
    files: dict[str, list[str]] = {}
    for tensor, file in placed.items():
        files.setdefault(file, []).append(tensor)
    ending, kind = _FILES[OF_PICKLES if path.name.endswith(OF_PICKLES) else SUFFIX]
    for file in files:
        if not file.endswith(ending) or any(character in file for character in "/\\\0"):
            raise ApcliError(f"{path} lists the shard {file!r}: expected {kind} in the same folder")
    return ShardIndex(metadata, {file: tuple(tensors) for file, tensors in sorted(files.items())})


def dump(metadata: Mapping[str, object], files: Mapping[str, Sequence[str]]) -> bytes:
    """The bytes of an index."""
    placed = {tensor: file for file, tensors in files.items() for tensor in tensors}
    return (json.dumps({"metadata": metadata, "weight_map": placed}, indent=2) + "\n").encode()


def beside(index: Path, count: int) -> list[Path]:
    """The paths of the ``count`` files of an index."""
    stem = index.name.removesuffix(SUFFIX)
    return [index.with_name(f"{stem}-{i:05}-of-{count:05}.safetensors") for i in range(1, count + 1)]
