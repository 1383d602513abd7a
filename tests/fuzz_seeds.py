"""What the fuzzer begins with: for each target good inputs first, then those that are known to be hostile."""

import hashlib
import json
import struct
import warnings
from collections.abc import Mapping
from typing import Any

import fuzz_targets
import hostile_files

from apcli.checkpoints import lineage
from apcli.checkpoints.files import kinds
from apcli.records import KINDS, json_objects

MOST = 1 << 16  # bytes of an input that is mutated


def seeds(target: str) -> list[bytes]:
    """Inputs to begin with: good ones, and those that are known to be hostile."""
    return [*good(target), *_hostile(target)]


def good(target: str) -> list[bytes]:
    """Inputs that are right, or nearly so: most mutations begin with them."""
    made = {
        "checkpoint": checkpoints,
        "index": _indexes,
        "pickle": _pickles,
        "records": _records,
        "named": _named,
        "kept": lambda: [b"0-3,5\n5", b"0\n1", b"1-2,4-9\n8", b"x", b"3-1\n1", b"0-3\n9", b"1-2,2-3\n4"],
    }
    return made[target]()


def _hostile(target: str) -> list[bytes]:
    if target == "pickle":
        import hostile_pickles

        return [*hostile_pickles.files(fuzz_targets.FOLDER / "marker").values()]
    files = {
        "checkpoint": {**hostile_files.SAFETENSORS, **hostile_files.ODD},
        "index": hostile_files.INDEXES,
        "records": hostile_files.LINES,
    }
    return [*files.get(target, {}).values()]


# ---- checkpoints

_SCORES = {"loss": 1.0, "accuracy": 50.0}
# Something in every field.
_MEMBERS = {
    **lineage.Lineage.EMPTY.then("train", {"epochs": 1}).to_json(),
    "model": {"name": "fc5", "source": "apcli", "last": "w.weight"},
    "data": {"name": "digits", "classes": 2, "part": 5},
    "classes": ["a", "b"],
    "seed": 1,
    "layers": {
        "weights": {"linear": ["w.weight"]},
        "tied": {"w.weight": ["v"]},
        "through": {"norm": ["w.weight"]},
    },
    "dense": {"path": "d.safetensors", "sha256": "0" * 64, "key": "k"},
    "parent": {"path": None, "sha256": "1" * 64},
    "history": [{"epoch": 1, "test": _SCORES}],
    "metrics": {"test": _SCORES, "train": None},
    "pruned": {"w.weight": {"zeros": 2, "size": 4, "method": "lowest", "seed": 0, "requested": 0.5}},
    "kept": {"w.weight": {"0": "0,2"}},
    "sizes": {"conv": {"view": "3"}},
    "norm_difference": 0.1,
    "allocation": {
        "widths": {"w.weight": [2, 4]},
        "budget": {"resource": "macs", "dense": 8, "left": 0.5, "got": 4.0},
        "evidence": {"rounds": 3},
    },
}
_STORAGE = {"w.weight": {"dtype": "F32", "shape": [2, 2]}}
_WHOLE = (
    {"w.weight": hostile_files.tensor([2, 2], 0, 16), "b": hostile_files.tensor([1], 16, 18, dtype="BF16")},
    struct.pack("<4fH", 1, 0, 0, 2, 1),
)


def _packed(mask: int, values: str = "F32") -> tuple[dict[str, Any], bytes]:
    """The tensors of a bit mask over four weights, with two values."""
    tensors = {
        "w.weight.values": hostile_files.tensor([2], 0, 8, dtype=values),
        "w.weight.bitmask": hostile_files.tensor([1], 8, 9, dtype="U8"),
    }
    return tensors, struct.pack("<2fB", 1, 2, mask)


def _file(tensors: Mapping[str, Any], content: bytes, /, **members: Any) -> bytes:
    return _saying(json.dumps({**_MEMBERS, **members}), tensors, content)


def _saying(text: str, tensors: Mapping[str, Any], content: bytes) -> bytes:
    metadata = {"format": "pt", "author": "somebody", "apcli": text}
    return hostile_files.file_of({"__metadata__": metadata, **tensors}, content)


def checkpoints() -> list[bytes]:
    """Files with a lineage that has something in every field, dense, compact and as a bit mask, and nearly so."""
    sha256 = hashlib.sha256(fuzz_targets.DENSE.read_bytes()).hexdigest()
    dense = {"path": "d.safetensors", "sha256": sha256}
    settings = [{"stage": "train", "epochs": 1}, {"stage": "prune", "sparsity": 0.5}]
    parent = {"path": "p", "sha256": "1" * 64}
    lineages: list[dict[str, Any]] = [
        *({"dense": {**dense, "path": path}} for path in ("d.safetensors", "d", "gone", None)),
        *({"dense": {**dense, "path": path}} for path in ("hf:owner/name", "hf:nobody/nothing", "torchvision:alexnet")),
        {"stage": "trace"},
        {
            "stage": "prune",
            "settings": settings,
            "parent": parent,
            "model": None,
            "data": {"name": "digits"},
            "seed": None,
        },
        {"stage": "prune"},
        {"stage": "prune", "settings": [{"stage": "train", "epochs": 2}, settings[1]]},
        {"settings": settings[:1], "parent": None, "model": None, "data": {"name": "digits"}, "pruned": {}},
        {"pruned": {"w.weight": {"zeros": 3, "size": 4}, "v": {"zeros": 0, "size": 0}}},
        *(
            {"dense": dense, "kept": {"w.weight": kept}}
            for kept in ({"0": "0,5"}, {"1": "0-1"}, {"0": "0,2", "7": "0"})
        ),
        {"layers": {"weights": {"linear": ["v"], "embedding": ["w.weight"]}, "refused": {"why": ["v"]}}},
        {"layers": {"weights": {}, "tied": 0}},
        {"layers": {"weights": 0}},
        {"pruned": {"w.weight": 0}},
        {"settings": [0]},
        {"history": [{"epoch": 1, "train": _SCORES, "test": {**_SCORES, "top5": None}}, {"epoch": 2, "new": 1}]},
        {"dense": None, "parent": None, "model": None, "layers": None, "allocation": None, "pruned": {}, "new": 1},
        {"classes": ["a", "a"]},
        {"version": 2},
        *({key: 0} for key in _MEMBERS),
    ]
    empty = {"e.values": hostile_files.tensor([0], 9, 9), "e.bitmask": hostile_files.tensor([0], 9, 9, dtype="U8")}
    tensors, content = _packed(0b10010000)
    packed = [
        _file(tensors, content, storage=_STORAGE),
        _file({**tensors, **empty}, content, storage={**_STORAGE, "e": {"dtype": "F32", "shape": [0]}}),
        _file({**tensors, **empty}, content, storage={**_STORAGE, "e": {"dtype": "F32", "shape": [0, 2**62]}}),
        _file(*_packed(0b10010001), storage=_STORAGE),
        _file(*_packed(0b11010000), storage=_STORAGE),
        _file(*_packed(0b10010000, "I32"), storage={"w.weight": {"dtype": "I32", "shape": [2, 2]}}),
        _file(*_WHOLE, storage=_STORAGE),
    ]
    texts = ("{", "1", '{"version": NaN}', '{"version": 1, "new": 1e999}')
    return [
        _file(*_WHOLE),
        *packed,
        *(_file(*_WHOLE, **members) for members in lineages),
        *(_saying(text, *_WHOLE) for text in texts),
        hostile_files.file_of(_WHOLE[0] | {"c": hostile_files.tensor([0, 3], 18, 18)}, _WHOLE[1]),
        hostile_files.file_of({"w.weight": hostile_files.tensor([8, 8], 0, 256)}, bytes(256)),
    ]


def _indexes() -> list[bytes]:
    said = {**_MEMBERS, "pruned": {"x-1": {"zeros": 2, "size": 2}}, "kept": {}, "layers": None}
    whole = {name: f"{name}.safetensors" for name in ("x-1", "x-2")}
    metadata = {"total_size": 16, "total_parameters": 4, "apcli": json.dumps(said)}
    pickled = {name: f"{name}.bin" for name in whole}
    made = [
        {"metadata": metadata, "weight_map": whole},
        {"metadata": {"total_size": 16}, "weight_map": whole},
        {"metadata": metadata, "weight_map": pickled},
        {"weight_map": pickled},
        {"weight_map": {**whole, "y": "x-1.safetensors"}},
        {"weight_map": {"x-1": "x-2.safetensors"}},
        {"weight_map": {"x-1": "gone.safetensors"}},
        {"metadata": {"apcli": "{}"}, "weight_map": whole},
    ]
    return [json.dumps(index).encode() for index in made]


# ---- PyTorch files, files of any name, and records


def _pickles() -> list[bytes]:
    import hostile_pickles
    import torch

    saved = hostile_pickles.saved
    state = {"a.weight": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2).bfloat16(), "n": torch.tensor(3)}
    content = {"state_dict": state, "epoch": 1}
    parallel = {"module.module.a": state["b"], "module.module._orig_mod.n": state["n"], "n_averaged": state["n"]}
    state["one"] = torch.zeros((), dtype=torch.bfloat16).expand(1)
    made = [saved(one, _use_new_zipfile_serialization=new) for one in (content, state) for new in (True, False)]
    made += [
        saved(one)
        for one in (
            parallel,
            {**state, "note": "x"},
            {"a": state, "b": state},
            {"a": state, "epoch": 1},
            {"state_dict": 1},
        )
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that PyTorch does not like to write such files
        made += [saved(torch.nn.Linear(2, 2), _use_new_zipfile_serialization=new) for new in (True, False)]
        made += [saved({"a": state["b"], "net": torch.nn.Linear(2, 2)}), saved({"x": torch.nn.Linear(2, 2)})]
    members = hostile_pickles.members_of(made[0])
    script = {f"{hostile_pickles.ROOT}/constants.pkl": b"\x80\x02).", f"{hostile_pickles.ROOT}/code/a.py": b""}
    return [*made, hostile_pickles.archive({**members, **script})]


def _named() -> list[bytes]:
    whole = checkpoints()[0]
    files = {f"{number}.safetensors": magic + bytes(40) for number, magic in enumerate(kinds._FOREIGN)}
    files |= {f"{number}.pth": magic.upper() for number, magic in enumerate(kinds._FOREIGN)}
    files |= {"x.safetensors": whole, "x.pth": whole, "x": whole, "\u202e\x1b[2J.bin": whole, "\udcff": whole}
    files |= {"x.msgpack.index.json": b"{}", "x.safetensors.index.json": _indexes()[0], "r.safetensors": _records()[0]}
    files |= dict.fromkeys(("", ".", "gone", "n" * 300, "d.safetensors", "hf:owner/name", "torchvision:alexnet"), b"")
    files |= dict.fromkeys(("hf:nobody/nothing/x", "torchvision:none", "hf:", "timm:none", "hf:../.."), b"")
    return [name.encode(errors="surrogateescape") + b"\n" + content for name, content in files.items()]


def _records() -> list[bytes]:
    """Records of each kind, with something in every field, with null or nothing where it may be, and with lies."""
    made = [{"kind": name, "version": KINDS.row(name).load().version} for name in KINDS.names]
    kinds_of = [KINDS.row(name).load() for name in KINDS.names]
    full, bare = (
        [said | example(kind, full) for said, kind in zip(made, kinds_of, strict=True)] for full in (True, False)
    )
    lies = [{**{key: [[]] for key in members}, **said} for said, members in zip(made, full, strict=True)]
    lines = [json.dumps(members).encode() for members in (hostile_files.RECORD, *full, *bare, *lies)]
    return [*lines, b"\n\n".join(lines), b'{"kind": "to come", "value": 1e999, "name": "\\udcff", "list": [NaN, 1]}']


def example(kind: type[json_objects.JsonObject], full: bool) -> dict[str, Any]:
    """An object with a value in every field, or, if not ``full``, with null where that may be, and empty lists."""
    values: dict[type, Any] = {str: "text", int: 1, float: 0.5, bool: True}
    made = {}
    for field in json_objects.fields_of(kind):
        value = example(field.nested, full) if field.nested else values.get(field.of, {"images": 1})
        value = [value] * 2 * full if field.is_list else value
        made[field.name] = value if full or not field.nullable else None
    return made
