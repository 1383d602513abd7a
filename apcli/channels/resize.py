"""Fit the modules of a model, built as published, to the tensors of a compact file."""

from collections.abc import Mapping
from types import MethodType
from typing import Any

import numpy as np
from torch import Tensor, nn

from apcli.channels.attention import attend
from apcli.errors import ApcliError
from apcli.words import by

Kept = Mapping[str, Mapping[int, np.ndarray]]  # by tensor and dimension, the indices that are left, ascending


def fit_(model: nn.Module, kept: Kept) -> None:
    """Shrink tensors of the model to fewer channels. The new tensors are uninitialised: load them afterwards.

    Modules learn their new size: convolutions (whole groups may go, or channels of each), linear layers, norms, PReLUs,
    recurrent layers and attention. Parameters of other modules shrink as they are.

    Raises:
        ApcliError: the module cannot have such a shape with fewer channels.
    """
    modules: dict[str, nn.Module] = {}
    groups: dict[str, int] = {}
    known = model.state_dict(keep_vars=True)
    made: dict[int, Tensor] = {}  # tensors of several names stay one
    for name, dims in kept.items():
        owner, _, attribute = name.rpartition(".")
        old = known.get(name)
        module = _module(model, owner) if old is not None else None
        if old is None or module is None:
            raise ApcliError(f"the compact file has {name}, the model does not: give the model that it was made from")
        shape = tuple(len(dims[dim]) if dim in dims else size for dim, size in enumerate(old.shape))
        fits = all(
            0 <= dim < old.dim() and len(stay) and stay[0] >= 0 and stay[-1] < old.shape[dim]
            for dim, stay in dims.items()
        )
        if not fits:
            raise _misfit(name, shape, old)
        if shape != old.shape:
            number = getattr(module, "groups", getattr(module, "num_groups", 1))
            if attribute == "weight" and number > 1 and 0 in dims:
                groups[owner] = len(np.unique(dims[0] // (len(old) // number)))  # those of whose rows some are left
            made.setdefault(id(old), _smaller(old, shape))
            setattr(module, attribute, made[id(old)])
            modules[owner] = module
    for owner, module in modules.items():
        _set_sizes_(owner, module, groups.get(owner))


def _module(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


def _misfit(name: str, shape: tuple[int, ...], old: Tensor) -> ApcliError:
    sizes = [by(size) for size in (shape, old.shape)]
    return ApcliError(
        f"{name} is {sizes[0]} in the compact file and {sizes[1]} in the model, which cannot be shrunk to fit: "
        "give the model that it was made from"
    )


def _smaller(old: Tensor, shape: tuple[int, ...]) -> Tensor:
    new = old.detach().new_empty(shape)
    return nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new


def _set_sizes_(name: str, module: Any, groups: int | None) -> None:
    """Update the module's own attributes of its size; its vectors must agree with each other."""
    vectors = [tensor for tensor in (*module.parameters(False), *module.buffers(False)) if tensor.dim() == 1]
    outputs = len(vectors[0]) if vectors else 0
    if isinstance(module, nn.modules.conv._ConvNd):
        module.groups = groups or module.groups
        rows, columns = module.weight.shape[:2]
        outputs, inputs = (columns * module.groups, rows) if module.transposed else (rows, columns * module.groups)
        module.out_channels, module.in_channels = outputs, inputs
    elif isinstance(module, nn.Linear):
        outputs, module.in_features = module.weight.shape
        module.out_features = outputs
    elif isinstance(module, nn.GroupNorm):
        module.num_groups, module.num_channels = groups or module.num_groups, outputs
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
        module.normalized_shape = tuple(module.weight.shape)
        return
    elif isinstance(module, nn.RNNBase):  # their gates have as many rows, and all layers as many outputs
        own = dict(module.named_parameters(recurse=False))
        module.input_size, module.hidden_size = own["weight_ih_l0"].shape[1], own["weight_hh_l0"].shape[1]
        rows = {"LSTM": 4, "GRU": 3}.get(module.mode, 1) * module.hidden_size
        if module.proj_size or any(len(tensor) != rows for tensor in module.parameters(False)):
            raise ApcliError(f"the recurrent layers of {name} cannot have these sizes: exclude them")
        return
    elif isinstance(module, nn.MultiheadAttention):
        module.forward = MethodType(attend, module)  # type: ignore[method-assign]
        return
    elif isinstance(module, nn.modules.batchnorm._NormBase):
        module.num_features = outputs
    elif isinstance(module, nn.PReLU):
        module.num_parameters = outputs
    else:
        return
    if any(len(vector) != outputs for vector in vectors):
        raise ApcliError(f"the tensors of {name} in the compact file have different sizes: is it damaged?")
