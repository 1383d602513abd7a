"""What the fuzzer runs: each target reads the bytes of a stranger, and does with them what the stages do."""

import atexit
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import hostile_files
import numpy as np

from apcli import published
from apcli.checkpoints import layers, lineage, reading, verification, writing
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files import kept_channels, shards
from apcli.checkpoints.promises import Link
from apcli.cli.texts.checkpoint import to_text
from apcli.errors import ApcliError
from apcli.records import json_objects, lines
from apcli.stages.describe.description import describe

FOLDER = Path(tempfile.mkdtemp(prefix="apcli-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
atexit.register(shutil.rmtree, FOLDER)
DENSE = FOLDER / "d.safetensors"  # the dense file that lineages of the seeds name
DENSE.write_bytes(hostile_files.file_of({"w.weight": hostile_files.tensor([3, 2], 0, 24)}, bytes(range(24))))
_ROW = hostile_files.tensor([1, 2], 0, 8)
# Of runs whose result a file may be.
_TRAINED = lineage.Lineage.EMPTY.then("train", {"epochs": 1}, data={"name": "digits"}, history=({"epoch": 1},))
_PRUNED = replace(_TRAINED, history=()).then("prune", {"sparsity": 0.5}, parent=Link("p", "0" * 64))


def read_checkpoint(content: bytes) -> None:
    use(reading.read(_placed("x.safetensors", content)))


def read_index(content: bytes) -> None:
    """An index of safetensors files, or, if it names a ``.bin``, of PyTorch files; its files are good ones."""
    pickled = b'.bin"' in content
    for name in ("x-1", "x-2"):
        _placed(f"{name}.safetensors", hostile_files.file_of({name: _ROW}, bytes(8)))
        if pickled:
            import hostile_pickles
            import torch

            _placed(f"{name}.bin", hostile_pickles.saved({name: torch.zeros(1, 2)}))
    use(reading.read(_placed(f"x{shards.OF_PICKLES if pickled else shards.SUFFIX}", content)))


def read_pickle(content: bytes) -> None:
    path = _placed("x.pth", content)
    for key in ("state_dict", "b"):
        with suppress(ApcliError):
            use(reading.read(path, key))
    use(reading.read(path))


def read_named(content: bytes) -> None:
    """A file of any name, the first line, as of a folder that was downloaded; or published weights in the cache."""
    first, _, content = content.partition(b"\n")
    given = os.fsdecode(first)
    if published.is_name(given):
        use(reading.named(given, download=False))
        return
    name = given.replace("/", "").replace("\0", "")
    own = name not in ("", ".", "..", DENSE.name)
    with suppress(OSError):  # no file can have such a name
        if own:
            _placed(name, content)
    try:
        for checkpoint in reading.opened([str(FOLDER / name.removesuffix(".safetensors"))]):
            assert json.loads(lines.dump({"path": checkpoint.label})).keys() == {"path"}
            use(checkpoint)
    finally:
        with suppress(OSError):
            if own:
                (FOLDER / name).unlink()


def read_records(content: bytes) -> None:
    for record in lines.load(io.StringIO(content.decode(errors="replace")), "x"):
        json.loads(lines.dump(record.to_json()))
        if not isinstance(record, json_objects.OtherRecord):
            json.loads(lines.dump(json_objects.columns_of(record)))


def read_kept(content: bytes) -> None:
    text, _, count = content.decode(errors="replace").partition("\n")
    try:
        indices = kept_channels.parsed(text, int(count or 3))
    except (ValueError, OverflowError):
        return
    assert list(kept_channels.parsed(kept_channels.written(indices), len(indices))) == list(indices)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "checkpoint": read_checkpoint,
    "index": read_index,
    "pickle": read_pickle,
    "named": read_named,
    "records": read_records,
    "kept": read_kept,
}


def _placed(name: str, content: bytes) -> Path:
    """A new file: one that is written over within a tick of the clock would look unchanged."""
    path = FOLDER / name
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path


def offer_published() -> None:
    """Put weights into caches of their own for this process: those of the hub, and a model of torchvision."""
    revision, model = "1" * 40, FOLDER / "hub" / "models--owner--name"
    os.environ |= {"HF_HUB_CACHE": str(model.parent), "TORCH_HOME": str(FOLDER)}
    weights = model / "snapshots" / revision / "model.safetensors"
    classic = FOLDER / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    dense = DENSE.read_bytes()
    for path, content in ((model / "refs" / "main", revision.encode()), (weights, dense), (classic, dense)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# ---- what stages do with a checkpoint


def use(checkpoint: Checkpoint) -> None:
    """Read every tensor, and do what the stages do, each of which may refuse it."""
    for entry in checkpoint.entries.values():
        assert entry.data.nbytes == entry.nbytes
        if entry.is_float:
            assert 0 <= entry.zeros <= entry.size == entry.values.size
            assert 0 <= entry.not_finite <= entry.size
            assert sum(run.size for run in entry.runs()) == entry.bits.size == entry.size
    known = checkpoint.lineage
    assert not known.is_known or lineage.Lineage.from_text(known.to_text(), "again") == known
    assert known.made_as(known)
    assert all(promise.actual <= 1 for promise in known.pruned.values())
    _ = known.identity, known.model_name, known.data_name, known.last_layer, known.last_settings
    for other in (_TRAINED, _PRUNED, known.of_trace()):
        assert known.made_as(other) == (not known.difference(other))
    for work in (_describe, _select, _expand, _write_again, verification.broken_promises, verification.check_input):
        with suppress(ApcliError):
            work(checkpoint)


def _describe(checkpoint: Checkpoint) -> None:
    """What a report says of it, as text and as a record that can be read again."""
    found = describe(checkpoint)
    to_text(found)
    (again,) = lines.load([lines.dump(found.to_json())], "x")
    assert type(again) is type(found)


def _select(checkpoint: Checkpoint) -> None:
    layers.check_tied(checkpoint, layers.select(checkpoint, "all"))


def _expand(checkpoint: Checkpoint) -> None:
    """Compare a compact file with its dense one, and remove channels once more."""
    kept = checkpoint.lineage.kept
    there = {name: entry for name, entry in checkpoint.entries.items() if name in kept and entry.is_float}
    for name, entry in there.items():
        for dim, size in enumerate(entry.shape):
            with suppress(ValueError):
                kept_channels.narrowed(kept[name], dim, size, np.arange(size)[::2])
    dense = reading.dense_ancestor(checkpoint)
    for name, entry in there.items():
        if name in dense.entries:
            shape = dense.entries[name].shape
            assert kept_channels.expanded(entry, kept[name], shape).shape == shape


def _write_again(checkpoint: Checkpoint) -> None:
    """Write a copy, as a file or as files with an index, with bit masks or without: every bit comes back."""
    links = {"dense": checkpoint.dense_link(FOLDER), "parent": checkpoint.link(FOLDER)}
    made = checkpoint.lineage.then("prune", {"sparsity": 0.5}, **links)
    path = FOLDER / f"again{shards.SUFFIX if checkpoint.shards else '.safetensors'}"
    packed = checkpoint.file_bytes % 2 == 0  # any half of the files
    writing.write(path, checkpoint.entries, made, packed=packed, like=checkpoint, streamed=True)
    again = reading.read(path)
    assert again.entries.keys() == checkpoint.entries.keys()
    for name, entry in checkpoint.entries.items():
        other = again.entries[name]
        assert (other.dtype, other.shape) == (entry.dtype, entry.shape)
        assert np.array_equal(other.data, entry.data)
        assert not entry.is_float or entry.has_zeros_of(other)
