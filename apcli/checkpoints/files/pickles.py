"""PyTorch's files: a state dict, alone or in a training checkpoint, as ``torch.save`` writes it. No code is run.

``torch.load`` with ``weights_only`` builds tensors, numbers, texts and containers. An object of any other class, such
as the ``argparse.Namespace`` of a training script, becomes an empty stand-in that knows the class's name alone, so that
the tensors beside it can be read. Tensors stay in the file until they are read, unless somebody compressed it. torch is
imported when such a file is opened.
"""

import logging
import pickle
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from apcli.checkpoints.files.entries import TORCH_TYPES, Entry, Stored, is_shape
from apcli.checkpoints.files.open_files import OpenFile, unreadable
from apcli.errors import ApcliError, UsageError
from apcli.words import few, in_one_line

log = logging.getLogger("apcli")

# The members that hold a training checkpoint's state dict, the usual first.
_MEMBERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights")
# Parts of names that belong to what a network was wrapped in: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_PARALLEL = "module."  # the prefix of DataParallel, and of an averaged model,
_AVERAGED = "n_averaged"  # which counts what it averages
_MOST_CLASSES = 100  # of one file, which are learnt one by one
_MOST_WRAPPERS = 16  # of a state dict, one in the other
_MOST_UNPACKED = 100  # times the size of an archive: even zeros in nine weights of ten do not compress as far
_MOST_REPEATED = 1 << 20  # bytes of a view that has more numbers than the file
_REMEDY = "where it was made, save its state_dict()"


class _StandIn:
    """An object that was not loaded. Whatever the pickle makes of it does nothing."""

    def __new__(cls, *arguments: object) -> "_StandIn":
        return super().__new__(cls)

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def opened(path: Path, label: str, key: str | None = None, file: OpenFile | None = None) -> dict[str, Entry]:
    """Open a file of ``torch.save``: the tensors of its state dict; ``label`` names it in messages.

    Wrappers (``{"state_dict": ..., "epoch": ...}``) and the prefixes of DataParallel and ``torch.compile`` are removed.
    What else is in the file is passed over, and said.

    Args:
        key: the member that holds the state dict; None: the usual ones, or the only one.
        file: the file, if it is open already.

    Raises:
        UsageError: there is no such member, or several and ``key`` is None.
        ApcliError: the file cannot be read, or holds something else.
    """
    file = file or OpenFile(path, label)
    places = _places(path, label)
    try:
        content = _loaded(path, label, "meta" if places else "cpu")
    except ApcliError:
        if not places:
            raise
        content = _loaded(path, label, "cpu")  # a sparse tensor has no outline
    file.check_unchanged(path)  # torch has opened it once more
    tensors = without_prefixes(_tensors(content, key, label))
    return {name: _entry(name, tensor, label, file, places) for name, tensor in tensors.items()}


def without_prefixes(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Take off the tensors' names what DataParallel, ``torch.compile`` and the like put before or into them."""
    tensors = {".".join(part for part in name.split(".") if part not in _WRAPPERS): t for name, t in tensors.items()}
    while True:
        inner = {name: tensor for name, tensor in tensors.items() if name != _AVERAGED}
        if not inner or not all(name.startswith(_PARALLEL) for name in inner):
            return tensors
        tensors = {name.removeprefix(_PARALLEL): tensor for name, tensor in inner.items()}


def _loaded(path: Path, label: str, device: str) -> object:
    """The content of a file, with stand-ins for the objects of unknown classes.

    Args:
        device: ``cpu``, or ``meta`` for tensors without their numbers, which are not read.
    """
    import torch

    try:
        file = path.open("rb")  # torch.load would leave a path that ends in .safetensors to safetensors
    except OSError as error:
        raise unreadable(label, error) from error
    stand_ins: dict[str, type] = {}
    with file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickle protocols: the file loads, or the error says why not
        while True:
            file.seek(0)
            try:
                with torch.serialization.safe_globals([(kind, name) for name, kind in stand_ins.items()]):
                    return torch.load(file, map_location=device, weights_only=True, mmap=False)
            except Exception as error:  # a damaged pickle can raise anything
                unknown = re.search(r"global: GLOBAL (\S+) was not an allowed", str(error))
                name = "" if unknown is None else unknown[1] if "." in unknown[1] else f"builtins.{unknown[1]}"
                if not name or name in stand_ins or len(stand_ins) == _MOST_CLASSES:
                    raise _unreadable(error, label) from error
                stand_ins[name] = type(in_one_line(name), (_StandIn,), {})  # no type has a zero in its name


def _places(path: Path, label: str) -> dict[int, int]:
    """The sizes of a ZIP archive's members by the places where their bytes begin, as they are.

    It is empty if the file is no archive, or its bytes have to be loaded: compressed, or of another byte order.

    Raises:
        ApcliError: the archive unpacks to a multiple of its size that no weights need.
    """
    places = {}
    try:
        whole = path.stat().st_size
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            members = archive.infolist()
            if sum(member.file_size for member in members) > _MOST_UNPACKED * whole:
                raise ApcliError(f"{label} unpacks to over {_MOST_UNPACKED} times its size; {_REMEDY}")
            for member in members:
                file.seek(member.header_offset + 26)
                begin = file.tell() + 4 + sum(struct.unpack("<HH", file.read(4)))
                places[begin] = member.file_size
            as_they_are = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            orders = [archive.read(one).decode() for one in members if one.filename.endswith("/byteorder")]
    except (ApcliError, MemoryError):
        raise
    except Exception:  # noqa: BLE001  # zipfile raises almost anything on a broken file; torch.load says what is wrong
        return {}
    return places if as_they_are and all(order == sys.byteorder for order in orders) else {}


def _unreadable(error: Exception, label: str) -> ApcliError:
    text = str(error)
    if "TorchScript" in text:
        return ApcliError(f"{label} is a TorchScript program, not a state dict: {_REMEDY} (torch.jit.load reads it)")
    if "failed locating file" in text or "not in a subdirectory" in text:
        return ApcliError(f"{label} is a ZIP archive, but not one of torch.save: expected a PyTorch state dict")
    if "persistent_load" in text:  # of a module's source code, in files from before PyTorch 1.6
        return _takes_code(f"{label} holds a whole network")
    if isinstance(error, pickle.UnpicklingError) and ("GLOBAL" in text or "reduce" in text or "unrecognized" in text):
        return ApcliError(f"{label}: this pickle contains code, not tensors alone, and is not loaded; {_REMEDY}")
    return ApcliError(f"{label} is damaged, or no PyTorch state dict: get it again, or {_REMEDY}")


def _tensors(content: object, key: str | None, label: str) -> dict[str, Any]:
    """The tensors of a file's state dict by name."""
    where: list[str] = []
    beside: dict[str, object] = {}
    while isinstance(content, Mapping):
        name = _member(content, None if where else key, label)
        if name is None:
            break
        if len(where) == _MOST_WRAPPERS:
            raise ApcliError(f"{label} holds over {_MOST_WRAPPERS} dictionaries, one in the other; {_REMEDY}")
        beside |= {str(other): value for other, value in content.items() if other != name}
        where.append(name)
        content = content[name]
    if not isinstance(content, Mapping) or not any(map(_is_tensor, content.values())):
        values = content.values() if isinstance(content, Mapping) else [content]
        for value in values:
            if isinstance(value, _StandIn):
                raise _takes_code(f"{label} holds {_kind(value)}")
        raise ApcliError(f"{label} holds {_kind(content)}: expected tensors by name, as in a state_dict(); {_REMEDY}")
    tensors = {}
    for name, value in content.items():
        if isinstance(value, _StandIn) or not isinstance(name, str):
            raise _takes_code(f"{label}: {name!r} is {_kind(value)}")
        if _is_tensor(value):
            tensors[name] = value
        else:
            beside[name] = value
    if beside:
        _say_what_is_passed_over(label, ".".join(where), beside)
    return tensors


def _member(content: Mapping[Any, Any], key: str | None, label: str) -> str | None:
    """The member of a training checkpoint that holds the state dict; None if ``content`` is one itself."""
    known = [name for name, value in content.items() if isinstance(name, str) and _holds_weights(value)]
    if key is not None:
        if key not in known:
            has = f"state dicts in {few(known)}" if known else "one state dict: leave the option out"
            raise UsageError(f"--weights-key is {key!r}: {label} has {has}")
        return key
    usual = next((name for name in _MEMBERS if isinstance(content.get(name), Mapping)), None)
    if usual is not None or not known or any(_is_tensor(value) and value.dim() > 1 for value in content.values()):
        return usual
    if len(known) > 1:
        raise UsageError(f"{label} holds several state dicts: choose one of {few(known)} with --weights-key")
    return known[0]


def _holds_weights(value: object) -> bool:
    """Whether a member is a state dict, perhaps in wrappers of its own; an optimiser's state is none."""
    seen: dict[int, Mapping[Any, Any]] = {}  # a dictionary may hold itself, or another one many times
    found = [value]
    while found:
        one = found.pop()
        if isinstance(one, Mapping) and id(one) not in seen and all(isinstance(name, str) for name in one):
            if any(map(_is_tensor, one.values())):
                return True
            seen[id(one)] = one
            found += [one[name] for name in _MEMBERS if name in one]
    return False


def _say_what_is_passed_over(label: str, where: str, beside: Mapping[str, object]) -> None:
    others = [name for name, value in beside.items() if _holds_weights(value)]
    rest = [name for name in beside if name not in others]
    choice = f"; --weights-key {others[0]} reads that instead" if others else ""
    _say(f"{label}: read is {where or 'its state dict'}; passed over: {few([*others, *rest])}{choice}")


@lru_cache
def _say(sentence: str) -> None:
    """Log a sentence once: a file may be opened again, as another one's dense ancestor."""
    log.info("%s", sentence)


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _kind(value: object) -> str:
    return "nothing" if value == {} else f"a {type(value).__name__}"


def _takes_code(what: str) -> ApcliError:
    return ApcliError(f"{what}, which takes code to load, and none is run: {_REMEDY}")


def _entry(name: str, tensor: Any, label: str, file: OpenFile, places: Mapping[int, int]) -> Entry:
    """A tensor's bytes, which stay in the file until they are read if ``places`` has them."""
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in TORCH_TYPES:
        raise ApcliError(f"{label}: tensor {name} has type {dtype}: expected one of {', '.join(TORCH_TYPES)}")
    begin = -1
    if tensor.layout == torch.strided and tensor.is_meta:
        begin = getattr(tensor.untyped_storage(), "_checkpoint_offset", -1)
    if tensor.layout != torch.strided or (tensor.is_meta and begin not in places):
        raise ApcliError(f"{label}: tensor {name} is sparse, or has no numbers: expected a dense tensor; {_REMEDY}")
    if tensor.nbytes > max(file.size, _MOST_REPEATED):
        raise ApcliError(f"{label}: tensor {name} repeats its numbers beyond the file's size; {_REMEDY}")
    shape = tuple(tensor.shape)
    if not is_shape(shape):
        raise ApcliError(f"{label}: tensor {name} has a shape that no array of NumPy can have; {_REMEDY}")
    if tensor.is_meta:
        extent = 1 + sum((size - 1) * stride for size, stride in zip(shape, tensor.stride(), strict=True))
        first = tensor.storage_offset() * tensor.itemsize
        stop = first + extent * tensor.itemsize if tensor.numel() else first
        if stop > places[begin]:
            raise ApcliError(f"{label}: tensor {name} is longer than its bytes: get the file again, or {_REMEDY}")
        if tensor.is_contiguous():
            return Stored(TORCH_TYPES[dtype], shape, file, begin + first, begin + stop)
        read = torch.from_numpy(file.read(begin + first, stop - first)).view(tensor.dtype)
        tensor = read.as_strided(shape, tensor.stride())
    data = bytes_of(tensor)
    data.flags.writeable = False
    return Entry(TORCH_TYPES[dtype], shape, data)


def bytes_of(tensor: Any) -> np.ndarray:
    """The bytes of a tensor on the CPU, uint8, element by element: its own memory where that is in this order."""
    import torch

    flat = tensor.detach().contiguous().as_strided((tensor.numel(),), (1,))  # of one element any stride is contiguous
    data: np.ndarray = flat.view(torch.uint8).numpy()
    return data
