"""PyTorch files as somebody would make them to run code in, crash or fill whoever reads them, by name."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

ROOT = "archive"  # the folder of a file's members
HUGE = b"J\xff\xff\xff\x7f"  # a number in a pickle


class Planted:
    """What a pickle of it does when it is loaded: write a file beside it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


def saved(content: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED, extra: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            about = zipfile.ZipInfo(name)
            about.extra = extra
            made.writestr(about, content, compression)
    return buffer.getvalue()


def _data_of(file: bytes, name: str) -> int:
    """Where the bytes of a member begin."""
    with zipfile.ZipFile(io.BytesIO(file)) as opened:
        begin = opened.getinfo(f"{ROOT}/{name}").header_offset
    return begin + 30 + sum(struct.unpack("<HH", file[begin + 26 : begin + 30]))


def damaged(file: bytes, skipped: int = 0) -> bytes:
    """An archive whose compressed byte order does not unpack, from its bytes ``skipped`` on."""
    place = _data_of(file, "byteorder") + skipped
    return file[:place] + b"\xff\xff" + file[place + 2 :]


def far(file: bytes) -> bytes:
    """An archive that says that its last member begins beyond any file (ZIP64)."""
    place = file.rindex(b"PK\x01\x02") + 42
    return file[:place] + b"\xff" * 4 + file[place + 4 :]


def encrypted(file: bytes) -> bytes:
    """An archive that says that its byte order is encrypted."""
    place = file.index(f"{ROOT}/byteorder".encode(), file.index(b"PK\x01\x02")) - 46 + 8  # the flags in its directory
    return file[:place] + b"\x01" + file[place + 1 :]


def members_of(file: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(file)) as opened:
        return {f"{ROOT}/{name.partition('/')[2]}": opened.read(name) for name in opened.namelist()}


def wrapped(depth: int, width: int = 1) -> dict[str, Any]:
    """Dictionaries in one another, each under several of the names that state dicts have."""
    inner: dict[str, Any] = {"epoch": 1}
    for _ in range(depth):
        inner = dict.fromkeys(("state_dict", "model", "net", "network", "module", "weights")[:width], inner)
    return inner


def files(marker: Path) -> dict[str, bytes]:
    """Files that are to be refused; code in them would touch ``marker``."""
    weight = torch.arange(6.0).reshape(2, 3)
    good = saved({"w.weight": weight})
    members = members_of(good)
    data = members[f"{ROOT}/data.pkl"]
    size, stride = b"K\x02K\x03", b"K\x03K\x01"  # as pickled
    old = saved({"w.weight": weight}, _use_new_zipfile_serialization=False)
    itself: dict[str, Any] = {}
    itself["model"] = itself
    return {
        "code": pickle.dumps(Planted(marker), 2),
        "code in a state dict": pickle.dumps({"w": Planted(marker)}, 2),
        "code in an archive": archive({**members, f"{ROOT}/data.pkl": pickle.dumps(Planted(marker), 2)}),
        "a function of the system": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
        "a function of builtins": b"\x80\x02cbuiltins\nexec\nX\x04\x00\x00\x00pass\x85R.",
        "a hundred classes": pickle.dumps(None, 2)[:2] + b"".join(b"cnone\nA%d\n0" % i for i in range(500)) + b"N.",
        "a class with a zero in its name": b"\x80\x02cnone\nA\0B\n0N.",
        "half of it": good[: len(good) // 2],
        "all but its end": good[:-30],
        "half of an old one": old[: len(old) // 2],
        "an old one's beginning": old[:14],
        "nothing in an archive": archive({}),
        "an archive of something else": archive({"a/b.txt": b"hello"}),
        "an archive without its pickle": archive({k: v for k, v in members.items() if "data.pkl" not in k}),
        "an archive without its numbers": archive({k: v for k, v in members.items() if "/data/" not in k}),
        "numbers that are cut": archive({**members, f"{ROOT}/data/0": members[f"{ROOT}/data/0"][:8]}),
        "no numbers": archive({**members, f"{ROOT}/data/0": b""}),
        "a pickle that is cut": archive({**members, f"{ROOT}/data.pkl": data[:-20]}),
        "a pickle of zeros": archive({**members, f"{ROOT}/data.pkl": b"\0" * 100}),
        "a size that is huge": archive({**members, f"{ROOT}/data.pkl": data.replace(size, HUGE + size[2:])}),
        "a stride that is huge": archive({**members, f"{ROOT}/data.pkl": data.replace(stride, HUGE + stride[2:])}),
        "a byte order that is no text": archive({**members, f"{ROOT}/byteorder": b"\xff"}),
        "a byte order that is damaged": damaged(
            archive({**members, f"{ROOT}/byteorder": b"little"}, zipfile.ZIP_DEFLATED)
        ),
        "a byte order that is damaged, of another compression": damaged(
            archive({**members, f"{ROOT}/byteorder": b"little"}, zipfile.ZIP_LZMA), 4
        ),
        "a member beyond any file": far(archive(members, extra=struct.pack("<HHQ", 1, 8, 2**64 - 1))),
        "a byte order that is encrypted": encrypted(archive({**members, f"{ROOT}/byteorder": b"little"})),
        "a byte order to come": archive({**members, f"{ROOT}/byteorder": b"middle"}),
        "an archive that unpacks to much more": archive(
            {**members, f"{ROOT}/data/0": b"\0" * (64 << 20)}, zipfile.ZIP_DEFLATED
        ),
        "a directory of zeros": good[: (place := good.index(b"PK\x01\x02"))] + bytes(46) + good[place + 46 :],
        "a view that repeats its numbers": saved({"w.weight": torch.zeros(1).expand(1 << 20, 3)}),
        "no elements, in too large a shape": saved({"w.weight": torch.empty(0).as_strided((0, 2**62), (0, 0))}),
        "a sparse tensor": saved({"w.weight": weight.to_sparse()}),
        "a tensor without numbers": saved({"w.weight": torch.empty(2, 3, device="meta")}),
        "complex numbers": saved({"w.weight": torch.zeros(2, 2, dtype=torch.complex64)}),
        "a dictionary of itself": saved(itself),
        "dictionaries of dictionaries": saved(wrapped(100)),
        "a tree of dictionaries": saved({"epoch": wrapped(40, 6)}),
        "names that are numbers": saved({1: weight}),
        "a list": saved([weight]),
        "a number": saved(3),
        "nothing": saved(None),
        "text": saved("x" * 1_000_000),
        "zeros": b"PK\x03\x04" + bytes(1000),
        "a pickle's beginning": b"\x80\x02\x8a\x0a\x6c",
    }
