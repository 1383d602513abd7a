"""A model's description as plain data, kept in a checkpoint's lineage, and its look-up by name."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from apcli import published
from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec, Scaling
from apcli.errors import ApcliError, UsageError
from apcli.models import MODELS, sources
from apcli.registry import outside

_AS_THEY_ARE = InputConfig()


@dataclass(frozen=True)
class ModelSpec:
    """A model: ``input_size`` is (channels, height, width); inputs are (pixel / 255 - mean) / std, by channel."""

    name: str
    source: str
    num_classes: int
    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scaling(self) -> Scaling:
        """The shape and the scale of the model's input."""
        return Scaling(self.input_size, self.mean, self.std)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` reads them back."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, given: object) -> "ModelSpec":
        """Check and read the output of ``to_json`` from an untrusted file.

        Raises:
            ApcliError: a value is missing or of the wrong type; the message names it.
        """
        if not isinstance(given, Mapping):
            raise ApcliError(
                f"the file's model is {given!r:.60}: expected an object with name, source, num_classes, ..."
            )
        channels = given["input_size"][0] if _is_list(given.get("input_size"), 3, _is_count) else 0
        checks = {
            "name": is_name(given.get("name"), given.get("source")),
            "source": given.get("source") in sources.SOURCES,
            "num_classes": _is_count(given.get("num_classes")),
            "input_size": channels > 0,
            "mean": _is_list(given.get("mean"), channels, _is_finite),
            "std": _is_list(given.get("std"), channels, lambda value: _is_finite(value) and value > 0),
        }
        for key, fine in checks.items():
            if not fine:
                raise damaged(given, key, EXPECTED[key])
        return cls(
            name=given["name"],
            source=given["source"],
            num_classes=given["num_classes"],
            input_size=tuple(given["input_size"]),
            mean=tuple(float(value) for value in given["mean"]),
            std=tuple(float(value) for value in given["std"]),
        )


EXPECTED = {
    "name": "expected a model's name, without folders",
    "source": f"expected one of {', '.join(sources.SOURCES)}",
    "num_classes": "expected a positive whole number",
    "input_size": "expected three positive whole numbers: channels, height, width",
    "mean": "expected one number for each channel",
    "std": "expected one positive number for each channel",
}


def damaged(model: Mapping[str, Any], key: str, expected: str) -> ApcliError:
    """The error about a value in a file's model."""
    return ApcliError(f"the file's model has {key} {model.get(key)!r:.60}: {expected}; is it damaged?")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_finite(value: object) -> bool:
    """Whether a value is a number that a float can hold: JSON has whole numbers of any size."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_list(value: object, length: int, is_member: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and len(value) == length and all(is_member(member) for member in value)


def is_name(value: object, source: object) -> bool:
    """Whether a lineage's value can be the name of a model of ``source``: never a path."""
    if not isinstance(value, str) or not value or not value.isprintable() or "/" in value or "\\" in value:
        return False
    is_of_a_file = ":" in value
    return is_of_a_file if source == "user" else not is_of_a_file


def resolve(name: str, images: ImageSpec, inputs: InputConfig = _AS_THEY_ARE, *, pretrained: bool = False) -> ModelSpec:
    """The model called ``name`` for such images, with the values that options (``inputs``) override.

    ``name`` is ours, torchvision's or timm's (looked up in this order; ``torchvision:`` and ``timm:`` choose), or a
    user's ``path/to/file.py:function``. The input size is the data's for our and a user's models, else the library's;
    the normalisation is the data's or, with ``pretrained``, that of the published weights; options override both.

    Raises:
        UsageError: the name is unknown, or an option does not fit the data or the model.
    """
    source, plain = look_up(name)
    check_pretrained(source, plain, pretrained)
    classes = images.classes if inputs.num_classes is None else inputs.num_classes
    if classes < images.classes:
        raise UsageError(f"--num-classes is {classes}: the data has {images.classes} classes, give that many or more")
    size, least = images.shape, 1
    mean, std = images.mean, images.std
    if source in ("torchvision", "timm"):
        theirs = published.defaults(source, plain)
        size, least = theirs.input_size, theirs.least_size
        if pretrained:
            mean, std = theirs.mean, theirs.std
    elif source == "apcli":
        size = (MODELS.row(plain).channels or images.shape[0], *images.shape[1:])
    elif source == "user" and images.shape[0] == 1 and 3 in (len(inputs.mean or ()), len(inputs.std or ())):
        size = (3, *images.shape[1:])  # three numbers of --mean or --std mean three channels
    if inputs.input_size is not None:
        if inputs.input_size < least:
            given = inputs.input_size
            raise UsageError(f"--input-size is {given}: {plain} needs images of {least} x {least} pixels or more")
        size = (size[0], inputs.input_size, inputs.input_size)
    return ModelSpec(
        name=plain,
        source=source,
        num_classes=classes,
        input_size=size,
        mean=_by_channel("--mean", inputs.mean or mean, size[0]),
        std=_by_channel("--std", inputs.std or std, size[0]),
    )


def overridden(spec: ModelSpec, given: InputConfig, label: str) -> ModelSpec:
    """The network recorded in the file ``label``, with the values that options override.

    Raises:
        UsageError: an option does not fit the network.
    """
    if given.num_classes not in (None, spec.num_classes):
        raise UsageError(f"--num-classes is {given.num_classes}: {label} has {spec.num_classes}, leave the option out")
    channels, height, width = spec.input_size
    return replace(
        spec,
        input_size=(channels, given.input_size or height, given.input_size or width),
        mean=_by_channel("--mean", given.mean or spec.mean, channels),
        std=_by_channel("--std", given.std or spec.std, channels),
    )


def _by_channel(option: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise UsageError(
            f"{option} has {len(values)} values: the model's input has {channels} channels, give 1 or {channels}"
        )
    return tuple(float(value) for value in values) * (channels // len(values))


def look_up(name: str) -> tuple[str, str]:
    """The source and the stored name of a model: of a user's file only the last part, never the path.

    Raises:
        UsageError: the name is unknown.
    """
    if is_user_model(name):
        place = users_file(name)
        return "user", f"{place.path.name}:{place.function}"
    prefix, colon, rest = name.partition(":")
    if colon and prefix in sources.REGISTRIES:
        if sources.has(prefix, rest):
            return prefix, rest
        near = ", ".join(sources.close(rest, (prefix,))) or f"none (use {prefix}'s own names, in lower case)"
        raise UsageError(f"{prefix} has no model {rest!r}: similar names are {near}")
    for source in sources.REGISTRIES:
        if sources.has(source, name):
            return source, name
    near = ", ".join(sources.close(rest or name)) or ", ".join(MODELS.names)
    raise UsageError(
        f"unknown model {name!r}: similar names are {near}; give one of apcli's models, torchvision:NAME, timm:NAME, "
        "or your own as path/to/file.py:function"
    )


def is_user_model(name: str) -> bool:
    """Whether ``name`` has the form ``path/to/file.py:function``."""
    return outside.is_outside(name)


def users_file(name: str) -> outside.Place:
    """The file and the function of ``path/to/file.py:function``.

    Raises:
        UsageError: there is no such file, or the name has no function or has parameters.
    """
    place = outside.place_of(name, "model")
    if place.rest:
        raise UsageError(f"model {name!r} has parameters: a model of your own takes none, give it as {outside.FORM}")
    return place


def code_of(name: str | None) -> str | None:
    """The SHA-256 of a user's model file, since its name does not identify its code; None for a registry's model.

    Raises:
        UsageError: there is no such file.
    """
    return None if name is None or not is_user_model(name) else outside.sha256_of(users_file(name).path)


def check_model(name: str, *, pretrained: bool = False) -> None:
    """Look a model's name up.

    Raises:
        UsageError: the name is unknown, or ``pretrained`` asks for weights that are not published.
    """
    source, plain = look_up(name)
    check_pretrained(source, plain, pretrained)


def check_pretrained(source: str, name: str, pretrained: bool) -> None:
    """Raise UsageError if ``--pretrained`` asks for weights that are not published."""
    if pretrained and source in ("apcli", "user"):
        raise UsageError(f"--pretrained: there are no published weights for {name!r}; give a file with --weights FILE")


def default_lr(spec: ModelSpec) -> float:
    """The default initial learning rate: 0.1, and 0.01 for AlexNet and VGG (arXiv:2403.00155).

    Also 0.01 for our fully connected networks (arXiv:2306.05857): without normalisation layers, FC12 diverges at 0.1.
    """
    slow = ("fc",) if spec.source == "apcli" else ("alexnet", "vgg")
    return 0.01 if spec.source != "user" and spec.name.startswith(slow) else 0.1
