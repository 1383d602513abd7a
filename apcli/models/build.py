"""Build a network from a spec; the other public functions of this package can be imported from here too."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode

from apcli import published
from apcli.errors import ApcliError, UsageError, first_line
from apcli.libraries import library
from apcli.models import MODELS, sources
from apcli.models.copies import emptied, holds_numbers
from apcli.models.drop_path import drops, option_of, refusal
from apcli.models.named import without_code
from apcli.models.spec import ModelSpec, check_pretrained, default_lr, resolve, users_file
from apcli.models.weights import load_weights_
from apcli.registry import outside
from apcli.words import by, join

__all__ = ["ModelSpec", "build", "default_lr", "last_layer", "load_weights_", "outline", "resolve"]

log = logging.getLogger("apcli")


def outline(spec: ModelSpec, *, user_model: str | None = None, drop_path: float | None = None) -> nn.Module:
    """The network of ``spec`` without its numbers, see ``models.copies``; raises what ``build`` raises.

    The initial weights of a library's network are not even drawn, which would take most of the time.
    """
    with nullcontext() if spec.source == "user" else _Undrawn():
        return emptied(build(spec, user_model=user_model, drop_path=drop_path), "meta")


class _Undrawn(TorchFunctionMode):
    """Leaves parameters without numbers where initial ones would be drawn."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = next(iter((*args, *(kwargs or {}).values())), None)
        is_emptied = func in _DRAWS and isinstance(first, nn.Parameter) and holds_numbers(first)
        return first if is_emptied else func(*args, **(kwargs or {}))


_DRAWS = {
    *(nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_),
    *(Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, Tensor.mul_, Tensor.add_, Tensor.clamp_),
}


def build(
    spec: ModelSpec, *, pretrained: bool = False, user_model: str | None = None, drop_path: float | None = None
) -> nn.Module:
    """Build the network of ``spec`` on the CPU, with random weights (torch's generator) or the published ones.

    ``spec`` may come from a file, so its name is only looked up in the registries. A user's code is imported only from
    ``user_model`` (``path/to/file.py:function``, from the command line).

    Raises:
        UsageError: a user's model without ``user_model``, or the reverse; a network without ``drop_path``.
        ApcliError: the model cannot be built, or its weights cannot be downloaded.
    """
    check_pretrained(spec.source, spec.name, pretrained)
    dropping = option_of(spec, drop_path)
    if spec.source == "user":
        if user_model is None:
            raise UsageError(without_code("this checkpoint", spec.name))
        return _build_user(user_model, spec)
    if user_model is not None:
        raise UsageError(
            f"--model is {user_model!r}: this checkpoint's model is {spec.name!r} of {spec.source}; leave --model out"
        )
    if not sources.has(spec.source, spec.name):
        raise ApcliError(f"{spec.source} has no model {spec.name!r}: it cannot be built (another version may have it)")
    builder = {"apcli": _build_own, "torchvision": _build_torchvision, "timm": _build_timm}[spec.source]
    try:
        model = builder(spec, pretrained, dropping)
    except ApcliError:
        raise
    except Exception as error:  # another library's constructors may raise anything
        if drop_path is not None and isinstance(error, TypeError):
            raise refusal(spec, drop_path) from error
        height, width = spec.input_size[1:]
        raise ApcliError(
            f"{spec.source} cannot build {spec.name!r} for {spec.num_classes} classes and {height} x {width} pixels: "
            f"{first_line(error)}; try another --input-size"
        ) from error
    if drop_path and not drops(model):
        raise refusal(spec, drop_path)
    return model


def arguments(spec: ModelSpec) -> dict[str, Any]:
    """The keyword arguments with which torchvision or timm builds the network of ``spec``."""
    return {"num_classes": spec.num_classes, **_heads(spec), **_size(spec)}


def last_layer(model: nn.Module, spec: ModelSpec) -> str:
    """The tensor name of the classifier's weight.

    timm names it for its own models. Otherwise it is the last parameter in definition order that has two or more
    dimensions and ``num_classes`` entries in the first; failing that, the last one with two or more dimensions.

    Raises:
        ApcliError: the model has no parameter of two or more dimensions.
    """
    shapes = {name: parameter.shape for name, parameter in model.named_parameters() if parameter.dim() >= 2}
    if spec.source == "timm":
        classifier = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
        for module in [classifier] if isinstance(classifier, str) else classifier:
            if f"{module}.weight" in shapes:
                return f"{module}.weight"
    candidates = [name for name, shape in shapes.items() if shape[0] == spec.num_classes] or list(shapes)
    if not candidates:
        raise ApcliError(f"model {spec.name!r} has no weight of two or more dimensions: it has no last layer")
    return candidates[-1]


def _build_own(spec: ModelSpec, pretrained: bool, dropping: dict[str, float]) -> nn.Module:
    model: nn.Module = MODELS.row(spec.name).load()(num_classes=spec.num_classes, input_size=spec.input_size)
    return model


def _build_torchvision(spec: ModelSpec, pretrained: bool, dropping: dict[str, float]) -> nn.Module:
    models = library("torchvision").models
    options = _heads(spec)
    drawn = {"init_weights": True} if options else {}  # their constructors warn if it is left out
    model: nn.Module = models.get_model(spec.name, **arguments(spec), **drawn, **dropping)
    if pretrained:
        # Only torchvision knows the quirks of its files (renamed tensors, auxiliary heads), so it loads them itself.
        try:
            donor = models.get_model(spec.name, weights="DEFAULT", progress=False, **options)
        except (OSError, RuntimeError) as error:
            raise _no_weights(spec, error) from error
        _copy_pretrained_(model, donor, spec)
    return model


def _copy_pretrained_(model: nn.Module, donor: nn.Module, spec: ModelSpec) -> None:
    """Copy all weights of ``donor``, except those of a last layer of another size."""
    own = model.state_dict()
    weights = donor.state_dict()
    different = [name for name in own if own[name].shape != weights[name].shape]
    head = last_layer(model, spec).rpartition(".")[0]
    foreign = [name for name in different if name.rpartition(".")[0] != head]
    if foreign:
        raise ApcliError(
            f"the published weights of {spec.name!r} do not fit {spec.input_size[1]} x {spec.input_size[2]} pixels "
            f"({foreign[0]} differs): leave --input-size out"
        )
    model.load_state_dict({name: own[name] if name in different else weights[name] for name in own})
    if different:
        classes = weights[f"{head}.weight"].shape[0]
        log.info("%s: pretrained weights are for %d classes; the last layer %s starts fresh", spec.name, classes, head)


def _build_timm(spec: ModelSpec, pretrained: bool, dropping: dict[str, float]) -> nn.Module:
    timm = library("timm")
    options = {**arguments(spec), **dropping}
    if not pretrained:
        model: nn.Module = timm.create_model(spec.name, pretrained=False, **options)
        return model
    try:
        model = timm.create_model(spec.name, pretrained=True, **options)
    except Exception as error:  # the hub's client, its HTTP library and timm each raise their own errors
        if dropping and isinstance(error, TypeError):  # of the constructor
            raise
        raise _no_weights(spec, error) from error
    if timm.get_pretrained_cfg(spec.name).num_classes != spec.num_classes:
        log.info("%s: pretrained weights are for other classes; the last layer starts fresh", spec.name)
    return model


def _heads(spec: ModelSpec) -> dict[str, Any]:
    """The argument that leaves auxiliary heads out: no loss here uses them, so they would never learn."""
    has_some = spec.source == "torchvision" and spec.name in ("inception_v3", "googlenet")
    return {"aux_logits": False} if has_some else {}


def _size(spec: ModelSpec) -> dict[str, Any]:
    """The constructor's input-size argument, if the architecture has one and the spec differs from the default."""
    option = sources.size_option(spec.source, spec.name)
    height, width = spec.input_size[1:]
    if option is None or published.defaults(spec.source, spec.name).input_size[1:] == (height, width):
        return {}
    return {option: height if option == "image_size" else (height, width)}


def _no_weights(spec: ModelSpec, error: Exception) -> ApcliError:
    return ApcliError(
        f"--pretrained: the weights of {spec.name!r} cannot be downloaded from {spec.source} ({first_line(error)}); "
        "if you are offline, give a file with --weights FILE"
    )


def _build_user(name: str, spec: ModelSpec) -> nn.Module:
    model = _call(outside.load(users_file(name)), spec.num_classes)
    if not isinstance(model, nn.Module):
        raise ApcliError(f"{name} returned a {type(model).__name__}: expected a torch.nn.Module")
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        log.info("%s is wrapped in %s: its module is taken", name, type(model).__name__)
        model = model.module
    if any(isinstance(each, UninitializedParameter | UninitializedBuffer) for each in _tensors(model)):
        log.info("%s has layers without sizes: an image of %s gives them", name, by(spec.input_size))
        with torch.no_grad():
            model.eval()(torch.zeros(1, *spec.input_size))
        model.train()
    others = {str(p.dtype).removeprefix("torch.") for p in model.parameters() if p.is_floating_point()} - {"float32"}
    if others:
        log.info("%s has weights in %s: apcli computes in float32", name, join(sorted(others)))
        model.float()
    return model


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _call(function: Callable[..., Any], num_classes: int) -> object:
    parameters = inspect.signature(function).parameters.values()
    if any(p.name == "num_classes" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return function(num_classes=num_classes)
    return function()
