"""Mutation by structure: what differs is a member, a tensor, a file of an archive or a step of a pickle.

A header's length and the layout of its tensors are mended afterwards, and an archive gets the checksums of what is in
it, so that many inputs get as far as the tensors.
"""

import io
import json
import math
import pickletools
import random
import struct
import zipfile
from typing import Any

import hostile_files

from apcli.checkpoints.files import safetensors_files

_MOST_UNPACKED = 1 << 20  # bytes of an archive whose members are mutated one by one


def mutated(content: bytes, draw: random.Random) -> bytes:
    """An input like ``content``, of which some part of the structure differs; other bytes if it has none."""
    if content.startswith(b"PK\x03\x04"):
        return _archive_changed(content, draw)
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
        header["__metadata__"]["apcli"] = _text_of(said)
    else:
        header = _changed(header, draw)
    if draw.random() < 0.8:
        header, data = laid_out(header, data)
    return hostile_files.file_of(header, data)


def _text_of(value: Any) -> str:
    """JSON, which has no infinite numbers, but some that no float can hold."""
    return json.dumps(value).replace("Infinity", "1e999")


def _changed(value: Any, draw: random.Random) -> Any:
    """A copy of a JSON value in which one place differs."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key, copy = draw.choice(list(value)), dict(value)
        kind = draw.random()
        if kind < 0.7:
            copy[key] = _changed(value[key], draw)
        elif kind < 0.78:
            del copy[key]
        elif kind < 0.86:
            copy[f"{key}{draw.choice(['', '2', '.bitmask', '.values'])}"] = copy.pop(key)
        elif kind < 0.94:
            copy[key] = value[draw.choice(list(value))]
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
        return value + draw.choice([-value, -1, 1, 2**31, 2**62, 2**63, -(2**63)])
    return draw.choice(list(hostile_files.VALUES.values()))


def laid_out(header: Any, data: bytes) -> tuple[Any, bytes]:
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
        if not isinstance(shape, list) or not all(type(extent) is int and extent >= 0 for extent in shape):
            shape = [2]
        bits = math.prod(shape) * safetensors_files._WIDTHS.get(str(dtype), 8)
        if len(shape) > 8 or bits > 8 << 16 or bits % 8:
            shape, dtype, bits = [2], "F32", 64
        made[name] = {**members, "dtype": str(dtype), "shape": shape, "data_offsets": [end, end + bits // 8]}
        end += bits // 8
    return made, (data + bytes(end))[:end]


def _archive_changed(content: bytes, draw: random.Random) -> bytes:
    """An archive of which one member differs, in its steps if it is the pickle, or is missing."""
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as other:
            if sum(one.file_size for one in archive.infolist()) > _MOST_UNPACKED or draw.random() < 0.2:
                return _bytes_changed(content, draw)
            members = {one.filename: archive.read(one) for one in archive.infolist()}
            pickles = [name for name in members if name.endswith("data.pkl")]
            chosen = draw.choice(pickles if pickles and draw.random() < 0.7 else list(members))
            change = _steps_changed if chosen in pickles and draw.random() < 0.8 else _bytes_changed
            changed = change(members.pop(chosen), draw)
            for name, member in members.items() if draw.random() < 0.05 else {**members, chosen: changed}.items():
                other.writestr(name, member, zipfile.ZIP_STORED if draw.random() < 0.95 else zipfile.ZIP_DEFLATED)
    except Exception:  # noqa: BLE001  # zipfile raises almost anything on a broken file
        return _bytes_changed(content, draw)
    return made.getvalue()


def _steps_changed(content: bytes, draw: random.Random) -> bytes:
    """A pickle of which a step is missing, is another one, or has another argument: of a step like it, or any."""
    try:
        begins = [place for _, _, place in pickletools.genops(content) if place is not None]
    except Exception:  # noqa: BLE001  # nor is a broken pickle's error of one kind
        return _bytes_changed(content, draw)
    steps = [content[begin:end] for begin, end in zip(begins, [*begins[1:], len(content)], strict=True)]
    place, kind = draw.randrange(len(steps)), draw.random()
    if kind < 0.1:
        del steps[place]
    elif kind < 0.3:
        steps[place : place + (kind < 0.2)] = [draw.choice(steps)]
    elif kind < 0.7:
        steps[place] = draw.choice([one for one in steps if one[:1] == steps[place][:1]])
    else:
        steps[place] = steps[place][:1] + draw.randbytes(len(steps[place]) - 1)
    return b"".join(steps)


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
