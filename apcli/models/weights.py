"""Weights from other programs: rename a file's tensors, and load them strictly."""

import logging
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.pickles import without_prefixes
from apcli.checkpoints.state_dicts import load_tensors
from apcli.checkpoints.tensor_names import is_auxiliary
from apcli.errors import ApcliError, UsageError
from apcli.models.copies import emptied
from apcli.words import by, count, few

log = logging.getLogger("apcli")

_POSITIONS = re.compile(r"pos_emb|position|relative|rel_pos")  # in names of tensors whose shape is of the images' size
_COUNTER = ".num_batches_tracked"  # absent from files older than PyTorch 0.4.1; the model's own is kept


def tensors_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Copies of a checkpoint's tensors on the CPU, without the prefixes of DataParallel and ``torch.compile``.

    Raises:
        ApcliError: a tensor has a type that models do not hold.
    """
    return without_prefixes(load_tensors(checkpoint))


def load_weights_(model: nn.Module, weights: Mapping[str, Tensor], rename: Sequence[str], source: str) -> None:
    """Load ``weights`` into ``model`` strictly: both have the same tensors, of the same shapes.

    Each of ``rename`` is ``OLD=NEW``: in tensors called OLD or ``OLD.…``, NEW replaces OLD (``OLD=`` removes the
    prefix). ``source`` names the weights in messages.

    Raises:
        UsageError: a rename is malformed, matches nothing, or makes two tensors one.
        ApcliError: the tensors do not fit the model; the message names the first differences.
    """
    given = renamed(weights, rename, source)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    unused = [name for name in given if is_auxiliary(name) and name not in wanted]
    if unused:
        log.info("%s: skipped %s of auxiliary heads", source, count(len(unused), "tensor"))
        given = {name: tensor for name, tensor in given.items() if name not in unused}
    missing = [name for name in wanted if name not in given and not name.endswith(_COUNTER)]
    unexpected = [name for name in given if name not in wanted]
    different = [name for name in wanted if name in given and given[name].shape != wanted[name]]
    if missing or unexpected or different:
        parts = [f"without {few(missing)}"] if missing else []
        parts += [f"with {few(unexpected)} that the model does not have"] if unexpected else []
        shapes = [
            f"{name} ({_by(given[name].shape)} in the file, {_by(wanted[name])} in the model)" for name in different
        ]
        parts += [f"with another shape of {few(shapes)}"] if shapes else []
        hint = _suggestion({name: wanted[name] for name in missing}, {name: given[name].shape for name in unexpected})
        by_size = not missing and not unexpected and all(map(_POSITIONS.search, different))
        options = "--input-size" if by_size else "model, and --num-classes,"
        hint = hint or f"give the {options} that it was made for"
        raise ApcliError(f"{source} does not fit the model: {'; '.join(parts)}; {hint}")
    # load_state_dict reads versions from the state dict's metadata. Plain tensors have none: use the model's own.
    state = model.state_dict()
    state.update(given)
    model.load_state_dict(state)


def renamed(weights: Mapping[str, Tensor], rename: Sequence[str], source: str) -> dict[str, Tensor]:
    """Rename the weights as ``--rename`` says, see ``load_weights_``.

    Raises:
        UsageError: a rename is malformed, matches nothing, or makes two tensors one.
    """
    given = dict(weights)
    for option in rename:
        given = _renamed(given, option, source)
    return given


def with_fresh_head(weights: Mapping[str, Tensor], model: nn.Module, head: str, source: str) -> dict[str, Tensor]:
    """The weights with the model's own last layer, if theirs is for another number of classes; that is logged.

    So does ``--pretrained``. Whatever has a row for each class is the model's: weight, bias, a second head.

    Args:
        head: the tensor name of the last layer's weight.
        source: names the weights in messages.
    """
    own, theirs = model.state_dict(), weights.get(head)
    rows = own[head].shape[0]
    if theirs is None or theirs.dim() == 0 or theirs.shape[0] == rows:
        return dict(weights)

    def is_of_classes(name: str) -> bool:
        one, other = own[name].shape, weights[name].shape
        return one[:1] == (rows,) and other[:1] == theirs.shape[:1] and one[1:] == other[1:]

    fresh = {name: own[name] for name in weights if name in own and is_of_classes(name)}
    if head not in fresh:  # it does not fit for another reason, which loading tells
        return dict(weights)
    layer = head.rpartition(".")[0]
    log.info("%s is for %d classes; the last layer %s starts fresh, for %d", source, theirs.shape[0], layer, rows)
    return {**weights, **fresh}


def needs_versions(model: nn.Module) -> bool:
    """Whether the network refuses its own tensors from a plain dictionary, such as a safetensors file gives.

    Beside the tensors, torch keeps each module's version in a state dict. torchvision's MNASNets refuse a state dict
    without it, or rebuild themselves as an earlier version; no file of tensors can store it.
    """
    outline = emptied(model, "meta")
    shapes = {name: tensor.shape for name, tensor in outline.state_dict().items()}
    try:
        outline.load_state_dict(dict(outline.state_dict()))
    except (RuntimeError, ValueError, KeyError):
        return True
    return shapes != {name: tensor.shape for name, tensor in outline.state_dict().items()}


def log_versions(model: nn.Module, label: str) -> None:
    """Log how to load the file ``label`` outside apcli if its tensors alone are not enough."""
    if needs_versions(model):
        log.info(
            "%s: outside apcli, update a new network's state_dict() with the file's tensors and load that: the network "
            "needs the versions of its modules, which no safetensors file has",
            label,
        )


def _renamed(tensors: dict[str, Tensor], option: str, source: str) -> dict[str, Tensor]:
    old, equals, new = option.partition("=")
    old, new = old.strip().rstrip("."), new.strip().rstrip(".")
    if not equals or not old or "=" in new:
        raise UsageError(f"--rename is {option!r}: expected OLD=NEW, as in linear=fc")
    names = {}
    for name in tensors:
        if name == old or name.startswith(old + "."):
            names[name] = (new + name.removeprefix(old)).removeprefix("." if not new else "")
        else:
            names[name] = name
    if all(name == target for name, target in names.items()) and old != new:
        raise UsageError(f"--rename {option}: {source} has no tensor {old} or {old}.*; it has {few(list(tensors), 6)}")
    if "" in names.values() or len(set(names.values())) != len(names):
        raise UsageError(f"--rename {option}: a tensor would have no name, or another tensor's: choose another NEW")
    return {names[name]: tensor for name, tensor in tensors.items()}


def _suggestion(missing: dict[str, torch.Size], unexpected: dict[str, torch.Size]) -> str:
    """The ``--rename`` that turns the unexpected tensors into the missing ones, if there is one."""
    if not missing or not unexpected:
        return ""
    unexpected = {name: shape for name, shape in unexpected.items() if not name.endswith(_COUNTER)}
    new, old = _common_prefix(list(missing)), _common_prefix(list(unexpected))
    fits = {n[len(new) :].lstrip("."): s for n, s in missing.items()} == {
        n[len(old) :].lstrip("."): s for n, s in unexpected.items()
    }
    return f"try --rename {old}={new}" if fits and old else ""


def _common_prefix(names: list[str]) -> str:
    """The module that contains all tensors: ``fc`` for ``fc.weight`` and ``fc.bias``."""
    common: list[str] = []
    for parts in zip(*(name.split(".")[:-1] for name in names), strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common)


def _by(shape: torch.Size) -> str:
    return by(shape) or "a number"
