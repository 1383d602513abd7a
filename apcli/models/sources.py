"""Where a model's name is looked up: our own table, torchvision's and timm's (each imported only when asked)."""

import difflib
from dataclasses import dataclass

from apcli.libraries import library
from apcli.models import MODELS

REGISTRIES = ("apcli", "torchvision", "timm")  # the order in which a plain name is looked up
SOURCES = (*REGISTRIES, "user")


@dataclass(frozen=True)
class Defaults:
    """What a library says of a model: its input, and the normalisation that its published weights expect."""

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    least_size: int = 1


def known(source: str) -> list[str]:
    """The names in a registry."""
    if source == "apcli":
        return MODELS.names
    if source == "timm":
        return list(library("timm").list_models())
    models = library("torchvision").models
    return list(models.list_models(module=models))


def has(source: str, name: str) -> bool:
    """Whether ``name`` is in the registry: a look-up only, so that no text in a file becomes an address or a path."""
    if source != "timm":
        return name in known(source)
    if ":" in name or "/" in name or not library("timm").is_model(name):
        return False
    try:
        return library("timm").get_pretrained_cfg(name, allow_unregistered=False) is not None
    except RuntimeError:  # the architecture is known, the tag after the dot is not
        return False


def defaults(source: str, name: str) -> Defaults:
    """What torchvision or timm says of its model ``name``; nothing is downloaded."""
    if source == "timm":
        config = library("timm").get_pretrained_cfg(name)
        return Defaults(tuple(config.input_size), tuple(config.mean), tuple(config.std))
    weights = library("torchvision").models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    (size,) = set(transforms.crop_size)
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    if name in ("inception_v3", "googlenet"):
        # Their published weights expect inputs in [-1, 1]; torchvision renormalises from ImageNet's mean and standard
        # deviation inside forward() when it loads them. Normalising so at once is the same map, and holds for a reload.
        mean, std = (0.5,) * 3, (0.5,) * 3
    least = max(weights.meta.get("min_size", (1,)))  # the crop's size where the architecture itself has no least
    return Defaults((3, size, size), mean, std, least if least < size else 1)


def size_option(source: str, name: str) -> str | None:
    """The constructor's keyword for the input's height and width, where the architecture depends on them."""
    if source == "timm":
        return "img_size" if library("timm").get_pretrained_cfg(name).fixed_input_size else None
    if source == "torchvision":
        return "image_size" if name.startswith("vit_") else "input_size" if name.startswith("maxvit") else None
    return None


def close(name: str, sources: tuple[str, ...] = REGISTRIES, each: int = 3) -> list[str]:
    """Names like ``name``, as a user would give them (prefixed, but for our own)."""
    found = []
    for source in sources:
        prefix = "" if source == "apcli" else f"{source}:"
        found += [prefix + match for match in difflib.get_close_matches(name.lower(), known(source), n=each)]
    return found
