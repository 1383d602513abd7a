"""The registries in which a model's name is looked up: ours, torchvision's and timm's (imported on first use)."""

import difflib

from apcli.libraries import library
from apcli.models import MODELS

REGISTRIES = ("apcli", "torchvision", "timm")  # the order in which a plain name is looked up
SOURCES = (*REGISTRIES, "user")


def known(source: str) -> list[str]:
    """The names in a registry."""
    if source == "apcli":
        return MODELS.names
    if source == "timm":
        return list(library("timm").list_models())
    models = library("torchvision").models
    return list(models.list_models(module=models))


def has(source: str, name: str) -> bool:
    """Whether ``name`` is in the registry; only looked up, so no text from a file is used as an address or a path."""
    if source != "timm":
        return name in known(source)
    if ":" in name or "/" in name or not library("timm").is_model(name):
        return False
    try:
        return library("timm").get_pretrained_cfg(name, allow_unregistered=False) is not None
    except RuntimeError:  # the architecture is known, but not the tag after the dot
        return False


def size_option(source: str, name: str) -> str | None:
    """The constructor's keyword for the input's height and width, if the architecture depends on them."""
    if source == "timm":
        return "img_size" if library("timm").get_pretrained_cfg(name).fixed_input_size else None
    if source == "torchvision":
        return "image_size" if name.startswith("vit_") else "input_size" if name.startswith("maxvit") else None
    return None


def close(name: str, sources: tuple[str, ...] = REGISTRIES) -> list[str]:
    """Names similar to ``name``, as a user would write them (prefixed, except for ours)."""
    names = []
    for source in sources:
        prefix = "" if source == "apcli" else f"{source}:"
        names += [prefix + match for match in difflib.get_close_matches(name.lower(), known(source))]
    return names
