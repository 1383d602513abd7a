"""Fuzz what reads the files of strangers, and the command line: ``make fuzz``.

Usage: python tests/fuzz.py TARGET [-runs=N] [-max_total_time=SECONDS] [other options of libFuzzer]

Inputs are mutated under coverage (atheris) and by their structure: a header's members are replaced, moved, named twice
or left out, and its length and layout are mended afterwards, so that many inputs get as far as the tensors. An input is
a finding if reading it ends with anything but an error for people, takes over a second of the processor, or memory
beyond all reason. The corpus lies in ``.fuzz/TARGET``; how many inputs had a header that parses is printed,
and with ``--coverage`` instead of options which share of the readers' lines the corpus runs.
"""

import io
import json
import math
import random
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import hostile_files

try:
    import atheris
except ImportError:  # the mutations and the targets are tests without it
    atheris = None

with nullcontext() if atheris is None else atheris.instrument_imports(include=["apcli.checkpoints", "apcli.records"]):
    from apcli.checkpoints import lineage, network_layers, promises, reading, verification
    from apcli.checkpoints.files import bitmask, headers, kept_channels, kinds, pickles, safetensors_files, shards
    from apcli.records import json_objects, lines
from apcli.errors import ApcliError

MOST_SECONDS, MOST_MEMORY = 1.0, 512 << 20  # of an input; and of the whole process beyond what it began with
_SAID_EVERY = 10_000  # executions
FOLDER = Path(tempfile.mkdtemp(prefix="apcli-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))

# The modules that each target is to run through.
READERS: dict[str, list[Any]] = {
    "checkpoint": [
        safetensors_files,
        reading,
        lineage,
        promises,
        network_layers,
        bitmask,
        kinds,
        headers,
        verification,
    ],
    "index": [shards, reading],
    "pickle": [pickles, kinds],
    "records": [lines, json_objects],
    "kept": [kept_channels],
}


def read_checkpoint(content: bytes) -> None:
    path = FOLDER / "x.safetensors"
    path.write_bytes(content)
    checkpoint = reading.read(path)
    for entry in checkpoint.entries.values():
        assert entry.data.nbytes == entry.nbytes
        if entry.is_float:
            assert 0 <= entry.zeros <= entry.size == entry.values.size
    text = checkpoint.lineage.to_text()
    assert lineage.Lineage.from_text(text, "again") == checkpoint.lineage or not checkpoint.lineage.is_known
    verification.check_input(checkpoint)


def read_index(content: bytes) -> None:
    for name in ("x-1", "x-2"):
        (FOLDER / f"{name}.safetensors").write_bytes(hostile_files.file_of({name: hostile_files.W}, bytes(8)))
    path = FOLDER / "x.safetensors.index.json"
    path.write_bytes(content)
    _ = reading.read(path).sha256


def read_pickle(content: bytes) -> None:
    path = FOLDER / "x.pth"
    path.write_bytes(content)
    for entry in reading.read(path).entries.values():
        assert entry.data.nbytes == entry.nbytes


def read_records(content: bytes) -> None:
    for record in lines.load(io.StringIO(content.decode(errors="replace")), "x"):
        json.loads(lines.dump(record.to_json()))


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
    "records": read_records,
    "kept": read_kept,
}


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with: good ones, and those that are known to be hostile."""
    if target == "checkpoint":
        return [*good_checkpoints(), *hostile_files.SAFETENSORS.values(), *hostile_files.ODD.values()]
    if target == "index":
        good = {"metadata": {"total_size": 16}, "weight_map": {"x-1": "x-1.safetensors", "x-2": "x-2.safetensors"}}
        return [json.dumps(good).encode(), *hostile_files.INDEXES.values()]
    if target == "records":
        return [json.dumps(hostile_files.RECORD).encode(), *hostile_files.LINES.values()]
    if target == "kept":
        return [b"0-3,5\n5", b"0\n1", b"1-2,4-9\n8"]
    import hostile_pickles
    import torch

    state = {"a.weight": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2).bfloat16(), "n": torch.tensor(3)}
    content = {"state_dict": state, "epoch": 1}
    forms = [hostile_pickles.saved(content, _use_new_zipfile_serialization=new) for new in (True, False)]
    return [*forms, *hostile_pickles.files(FOLDER / "marker").values()]


def good_checkpoints() -> list[bytes]:
    """Files with a lineage that has something in every field, dense and as a bit mask."""
    scores = {"loss": 1.0, "accuracy": 50.0}
    layers = {"weights": {"linear": ["w.weight"]}, "tied": {"w.weight": ["v"]}, "through": {"norm": ["w.weight"]}}
    members = {
        **lineage.Lineage.EMPTY.then("train", {"epochs": 1}).to_json(),
        "model": {"name": "fc5", "source": "apcli", "last": "w.weight"},
        "data": {"name": "digits", "classes": 2, "part": 5},
        "classes": ["a", "b"],
        "seed": 1,
        "layers": layers,
        "dense": {"path": "d", "sha256": "0" * 64, "key": "k"},
        "parent": {"path": None, "sha256": "1" * 64},
        "history": [{"epoch": 1, "test": scores}],
        "metrics": {"test": scores, "train": None},
        "pruned": {"w.weight": {"zeros": 2, "size": 4, "method": "lowest", "seed": 0, "requested": 0.5}},
        "kept": {"w.weight": {"0": "0-1"}},
    }
    storage = {"w.weight": {"dtype": "F32", "shape": [2, 2]}}
    tensor = hostile_files.tensor
    dense = {"w.weight": tensor([2, 2], 0, 16), "b": tensor([1], 16, 18, dtype="BF16")}
    packed = {"w.weight.values": tensor([2], 0, 8), "w.weight.bitmask": tensor([1], 8, 9, dtype="U8")}
    files = [
        (members, dense, struct.pack("<4fH", 1, 0, 0, 2, 1)),
        ({**members, "storage": storage}, packed, struct.pack("<2fB", 1, 2, 0b10010000)),
    ]
    return [
        hostile_files.file_of({"__metadata__": {"format": "pt", "apcli": json.dumps(said)}, **header}, data)
        for said, header, data in files
    ]


# ---- mutation by structure


def mutated(content: bytes, draw: random.Random) -> bytes:
    """An input like ``content``, of which some part of the structure differs; other bytes if it has none."""
    try:
        if content[:1] in (b"{", b"["):
            return json.dumps(_changed(json.loads(content), draw)).encode()
        (length,) = struct.unpack("<Q", content[:8])
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    except (ValueError, struct.error, RecursionError, UnicodeDecodeError):
        return _bytes_changed(content, draw)
    kind = draw.random()
    if kind < 0.1 or not isinstance(header, dict):
        return _bytes_changed(content, draw)
    if kind < 0.6 and isinstance(header.get("__metadata__"), dict) and "apcli" in header["__metadata__"]:
        try:
            said = _changed(json.loads(header["__metadata__"]["apcli"]), draw)
        except (ValueError, TypeError, RecursionError):
            said = {}
        header["__metadata__"]["apcli"] = json.dumps(said)
    else:
        header = _changed(header, draw)
    if draw.random() < 0.8:
        header, data = _laid_out(header, data)
    return hostile_files.file_of(header, data)


def _changed(value: Any, draw: random.Random) -> Any:
    """A copy of a JSON value in which one place differs."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key, copy = draw.choice(list(value)), dict(value)
        kind = draw.random()
        if kind < 0.7:
            copy[key] = _changed(value[key], draw)
        elif kind < 0.8:
            del copy[key]
        elif kind < 0.9:
            copy[f"{key}{draw.choice(['', '2', '.bitmask', '.values'])}"] = copy.pop(key)
        else:
            copy[f"{key}2"] = copy[key]
        return copy
    if isinstance(value, list) and value and draw.random() < 0.9:
        place, listed = draw.randrange(len(value)), list(value)
        if draw.random() < 0.8:
            listed[place] = _changed(value[place], draw)
        else:
            listed.insert(place, value[place])
        return listed
    if isinstance(value, int) and draw.random() < 0.5:
        return value + draw.choice([-1, 1, 2**31, 2**62, 2**63, -(2**63)])
    return draw.choice(list(hostile_files.VALUES.values()))


def _laid_out(header: Any, data: bytes) -> tuple[Any, bytes]:
    """The tensors one after the other, as long as their shapes say, and as much data; of odd shapes another one."""
    if not isinstance(header, dict):
        return header, data
    end, made = 0, {}
    for name, said in header.items():
        if name == "__metadata__":
            made[name] = said
            continue
        members = said if isinstance(said, dict) else {}
        shape, dtype = members.get("shape"), members.get("dtype")
        if not isinstance(shape, list) or not all(type(extent) is int and 0 <= extent < 64 for extent in shape):
            shape = [2]
        bits = math.prod(shape) * safetensors_files._WIDTHS.get(str(dtype), 8)
        if len(shape) > 8 or bits > 8 << 16 or bits % 8:
            shape, dtype, bits = [2], "F32", 64
        made[name] = {**members, "dtype": str(dtype), "shape": shape, "data_offsets": [end, end + bits // 8]}
        end += bits // 8
    return made, (data + bytes(end))[:end]


def _bytes_changed(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(changed))
        kind = draw.random()
        if kind < 0.5:
            changed[place] = draw.randrange(256)
        elif kind < 0.75:
            del changed[place : place + draw.randint(1, 8)]
            changed = changed or bytearray(b"\0")
        else:
            changed[place:place] = draw.randbytes(draw.randint(1, 8))
    return bytes(changed)


# ---- judging


class Judge:
    """Runs a target, counts, and raises what is a finding."""

    def __init__(self, target: str) -> None:
        self.target, self.work = target, TARGETS[target]
        self.runs = self.refused = self.parsed = 0
        for content in (
            seeds(target)[0],
            b"\x80",
        ):  # a good one, and one like a pickle: what they import counts for nobody
            with suppress(ApcliError):
                self.work(content)
        self.before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __call__(self, content: bytes) -> None:
        self.runs += 1
        self.parsed += self._parses(content)
        begun = time.process_time()
        try:
            self.work(content)
        except ApcliError:
            self.refused += 1
        taken = time.process_time() - begun
        assert taken < MOST_SECONDS, f"{taken:.1f} s"
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.before)
        assert grown < MOST_MEMORY, f"{grown >> 20} MiB more"
        if self.runs % _SAID_EVERY == 0:  # libFuzzer ends the process without a word to Python
            self.report()

    def _parses(self, content: bytes) -> bool:
        if self.target != "checkpoint":
            return False
        try:
            safetensors_files.parsed(content[8 : 8 + safetensors_files.length_of(content[:8])])
        except ValueError:
            return False
        return True

    def report(self) -> None:
        share = f", {100 * self.parsed / max(1, self.runs):.1f} % of the headers parse" if self.parsed else ""
        print(f"{self.target}: {self.runs:,} executions, {self.refused:,} refused{share}", file=sys.stderr)


# ---- lines that were run


def lines_of(module: Any) -> set[int]:
    """The lines of a module's functions that hold code; a definition itself is run at import."""
    path = Path(module.__file__)
    found: set[int] = set()
    waiting: list[tuple[CodeType, bool]] = [(compile(path.read_text(), str(path), "exec"), False)]
    while waiting:
        code, inside = waiting.pop()
        inner = [one for one in code.co_consts if isinstance(one, CodeType)]
        waiting += [(one, inside or (not one.co_name.startswith("<") and one.co_flags & 2 != 0)) for one in inner]
        if inside:
            found |= {line for _, _, line in code.co_lines() if line and line != code.co_firstlineno}
    return found


def covered(target: str, inputs: list[bytes]) -> dict[str, float]:
    """The share of the lines of the readers' functions that the inputs run, by module."""
    wanted = {module.__file__: lines_of(module) for module in READERS[target]}
    ran: dict[str, set[int]] = {path: set() for path in wanted}

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename not in ran:
            return None
        ran[frame.f_code.co_filename].add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        for content in inputs:
            with suppress(ApcliError):
                TARGETS[target](content)
    finally:
        sys.settrace(None)
    return {Path(path).stem: len(ran[path] & lines) / max(1, len(lines)) for path, lines in wanted.items()}


def main() -> None:
    target, *options = sys.argv[1:]
    corpus = Path(".fuzz") / target
    if options == ["--coverage"]:
        for name, share in covered(target, [path.read_bytes() for path in corpus.iterdir()]).items():
            print(f"{name}: {100 * share:.1f} % of the lines")
        return
    judge = Judge(target)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(seeds(target)):
        if len(content) < 1 << 16:
            (corpus / f"seed-{number}").write_bytes(content)

    good = good_checkpoints()

    def mutator(content: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < 0.2:
            return atheris.Mutate(content, most)
        if target == "checkpoint" and draw.random() < 0.3:  # else most of the corpus would be what is refused at once
            content = draw.choice(good)
        return mutated(content, draw)[:most]

    atheris.Setup([sys.argv[0], str(corpus), "-max_len=65536", "-timeout=300", *options], judge, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
