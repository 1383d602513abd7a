"""Fit the modules of a model, built as published, to the shapes of a compact file."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from apcli.channels.graph import is_depthwise
from apcli.errors import ApcliError


def fit_(model: nn.Module, shapes: Mapping[str, Sequence[int]]) -> None:
    """Shrink tensors of the model to fewer channels. The new tensors are uninitialised: load them afterwards.

    This works for convolutions (depthwise ones lose groups), linear layers, batch and instance norms and PReLUs.

    Args:
        shapes: by tensor name, as in the state dict; other tensors stay as they are.

    Raises:
        ApcliError: the module cannot have such a shape with fewer channels.
    """
    modules: dict[str, nn.Module] = {}
    known = model.state_dict(keep_vars=True).keys()
    for name, given in shapes.items():
        owner, _, attribute = name.rpartition(".")
        module, shape = _module(model, owner), tuple(given)
        old = getattr(module, attribute, None)
        if module is None or old is None or name not in known:
            raise ApcliError(f"the compact file has {name}, the model does not: give the model that it was made from")
        if shape != tuple(old.shape):
            dims = [dim for dim, (new, was) in enumerate(zip(shape, old.shape, strict=False)) if new != was]
            smaller = len(shape) == old.dim() and all(0 < shape[dim] < old.shape[dim] for dim in dims)
            if not smaller or not set(dims) <= _fitting(module, attribute):
                raise _misfit(name, shape, old)
            _replace_(module, attribute, shape)
            modules[owner] = module
    for owner, module in modules.items():
        _set_sizes_(owner, module)


def _module(model: nn.Module, name: str) -> nn.Module | None:
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


def _fitting(module: nn.Module, attribute: str) -> set[int]:
    """The dimensions along which a module's tensor can become smaller."""
    if isinstance(module, nn.Linear | nn.modules.conv._ConvNd) and attribute == "weight":
        groups = getattr(module, "groups", 1)
        return {0, 1} if groups == 1 else {0} if is_depthwise(module) else set()
    known = (nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.PReLU)
    return {0} if isinstance(module, known) else set()


def _misfit(name: str, shape: tuple[int, ...], old: Tensor) -> ApcliError:
    sizes = ["x".join(map(str, size)) for size in (shape, old.shape)]
    return ApcliError(
        f"{name} is {sizes[0]} in the compact file and {sizes[1]} in the model, which cannot be shrunk to fit: "
        "give the model that it was made from"
    )


def _replace_(module: nn.Module, attribute: str, shape: tuple[int, ...]) -> None:
    old = getattr(module, attribute)
    new = old.detach().new_empty(shape)
    if isinstance(old, nn.Parameter):
        new = nn.Parameter(new, requires_grad=old.requires_grad)
    setattr(module, attribute, new)


def _set_sizes_(name: str, module: nn.Module) -> None:
    """Update the module's own attributes of its size; its tensors must agree with each other."""
    if isinstance(module, nn.modules.conv._ConvNd):
        outputs, inputs = module.weight.shape[:2] if not module.transposed else module.weight.shape[1::-1]
        if is_depthwise(module):
            outputs = inputs = module.groups = module.weight.shape[0]
        module.out_channels, module.in_channels = outputs, inputs
    elif isinstance(module, nn.Linear):
        outputs, module.in_features = module.weight.shape
        module.out_features = outputs
    else:
        outputs = len(next(tensor for tensor in (*module.parameters(), *module.buffers()) if tensor.dim()))
        setattr(module, "num_parameters" if isinstance(module, nn.PReLU) else "num_features", outputs)
    vectors = [tensor for tensor in (*module.parameters(False), *module.buffers(False)) if tensor.dim() == 1]
    if any(len(vector) != outputs for vector in vectors):
        raise ApcliError(f"the tensors of {name} in the compact file have different sizes: is it damaged?")
