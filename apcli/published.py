"""Published weights by name, through the caches of the libraries that publish them. What is not cached is downloaded.

``hf:OWNER/NAME[@REVISION][/FILE]`` is a file of the Hugging Face hub, ``torchvision:NAME`` and ``timm:NAME`` are the
weights that ``train --pretrained`` starts from. A name from a file is only looked up in the caches, never downloaded.
"""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from apcli.errors import ApcliError, UsageError, first_line
from apcli.libraries import library

_HUB, _LIBRARIES = "hf", ("torchvision", "timm")
_FORM = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w./-]+))?")
_INDEX = ".index.json"
# The files of a model, best first.
_USUAL = ("model.safetensors", f"model.safetensors{_INDEX}", "pytorch_model.bin", f"pytorch_model.bin{_INDEX}")
# torchvision's files of DenseNets have the names of 2017 (``norm.1.weight``), which its own loader translates.
_OF_2017 = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


@dataclass(frozen=True)
class Defaults:
    """A library's metadata of a model: its input size, and the normalisation that its published weights expect."""

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    least_size: int = 1


def defaults(source: str, name: str) -> Defaults:
    """The metadata of torchvision's or timm's model ``name``; nothing is downloaded."""
    if source == "timm":
        config = library("timm").get_pretrained_cfg(name)
        return Defaults(tuple(config.input_size), tuple(config.mean), tuple(config.std))
    weights = library("torchvision").models.get_model_weights(name).DEFAULT
    transforms = weights.transforms()
    (size,) = set(transforms.crop_size)
    mean, std = tuple(transforms.mean), tuple(transforms.std)
    if name in ("inception_v3", "googlenet"):
        # Their published weights expect inputs in [-1, 1]: when it loads them, torchvision renormalises from ImageNet's
        # mean and standard deviation inside forward(). Normalising directly is the same map, and also holds on reload.
        mean, std = (0.5,) * 3, (0.5,) * 3
    least = max(weights.meta.get("min_size", (1,)))  # equals the crop's size if the architecture has no minimum
    return Defaults((3, size, size), mean, std, least if least < size else 1)


def is_name(name: str) -> bool:
    """Whether ``name`` is of published weights, going by its prefix."""
    return name.partition(":")[0] in (_HUB, *_LIBRARIES) and ":" in name


def stem_of(name: str) -> str:
    """The part of the name from which the names of results are made."""
    found = _FORM.fullmatch(name)
    if found is None:
        return name.partition(":")[2]
    file = found["file"]
    usual = file is None or PurePosixPath(file).name in _USUAL
    return found["repo"].partition("/")[2] if usual else PurePosixPath(file).name.partition(".")[0]


def model_of(name: str) -> Mapping[str, Any] | None:
    """The network of ``torchvision:NAME`` or ``timm:NAME`` as a lineage describes it; None for a file of the hub."""
    source, _, plain = name.partition(":")
    if source == _HUB:
        return None
    about = defaults(source, plain)
    if source == "timm":
        classes = library("timm").get_pretrained_cfg(plain).num_classes
    else:
        classes = len(library("torchvision").models.get_model_weights(plain).DEFAULT.meta["categories"])
    return {
        **{"name": plain, "source": source, "num_classes": classes},
        **{"input_size": list(about.input_size), "mean": list(about.mean), "std": list(about.std)},
    }


def todays(name: str, tensor: str) -> str:
    """A tensor's name in the network that torchvision builds today, for one of its file."""
    found = _OF_2017.fullmatch(tensor) if name.startswith("torchvision:densenet") else None
    return tensor if found is None else f"{found[1]}{found[2]}"


def fetched(name: str, *, download: bool = True) -> Path:
    """The file of published weights in its library's cache.

    Args:
        download: fetch what is missing; off for a name that stands in a file.

    Raises:
        UsageError: there are no such weights.
        ApcliError: they are neither cached nor can be downloaded.
    """
    source, _, plain = name.partition(":")
    with _told(name):
        if source == "timm":
            return _of_timm(name, plain, download)
        if source == "torchvision":
            models = library("torchvision").models
            if plain not in models.list_models(module=models):
                raise UsageError(f"{name}: torchvision has no such model: apcli list models shows its names")
            return _of_url(name, models.get_model_weights(plain).DEFAULT.url, download)
        found = _FORM.fullmatch(name)
        if found is None or ".." in name:
            raise UsageError(f"{name} is no name on the Hugging Face hub: expected hf:OWNER/NAME or hf:OWNER/NAME/FILE")
        files = _USUAL if found["file"] is None else (found["file"],)
        return _of_hub(name, found["repo"], found["revision"], files, download)


def _of_timm(name: str, plain: str, download: bool) -> Path:
    timm = library("timm")
    known = not (":" in plain or "/" in plain) and timm.is_model(plain)
    config = timm.get_pretrained_cfg(plain, allow_unregistered=False) if known else None
    if config is None:
        raise UsageError(f"{name}: timm has no such model: apcli list models shows its names")
    if config.hf_hub_id and not config.custom_load:
        repo, _, revision = config.hf_hub_id.partition("@")
        files = (config.hf_hub_filename,) if config.hf_hub_filename else _USUAL
        return _of_hub(name, repo, revision or None, files, download)
    if config.url and not config.custom_load:
        return _of_url(name, config.url, download)
    raise UsageError(f"{name}: timm has no published weights for it that are a file of tensors: try a name with a tag")


def _of_hub(name: str, repo: str, revision: str | None, files: tuple[str, ...], download: bool) -> Path:
    hub = _client()
    asked = {"repo_id": repo, "revision": revision, "local_files_only": not download}
    for file in files:
        try:
            path = Path(hub.hf_hub_download(filename=file, **asked))
        except hub.errors.EntryNotFoundError:  # also if it is not cached, and nothing may be downloaded
            continue
        if file.endswith(_INDEX):
            for shard in sorted(set(json.loads(path.read_bytes())["weight_map"].values())):
                hub.hf_hub_download(filename=str(PurePosixPath(file).with_name(shard)), **asked)
        return path
    raise ApcliError(
        f"{name} has no {' or '.join(files)}, or is neither in the cache nor can be downloaded: give another name, or "
        "download it while you are online"
    )


def _of_url(name: str, url: str, download: bool) -> Path:
    """The file in torch.hub's cache, where torchvision and timm keep what they download from an address."""
    hub = importlib.import_module("torch.hub")
    path = Path(hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    if path.is_file():
        return path
    if not download:
        raise ApcliError(f"{name} is not in the cache ({path}): give the file, or download it by giving its name")
    path.parent.mkdir(parents=True, exist_ok=True)
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    hub.download_url_to_file(url, str(path), digits and digits[1], progress=False)
    return path


def _client() -> Any:
    try:
        importlib.import_module("huggingface_hub.errors")
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ApcliError(f"huggingface_hub cannot be imported ({error}): pip install huggingface_hub") from error


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn an error of a library into one line.

    Raises:
        ApcliError: the weights cannot be fetched.
    """
    try:
        yield
    except ApcliError:
        raise
    except Exception as error:  # the hub's client, its HTTP library, timm and torch each raise their own
        reason = first_line(error)
        raise ApcliError(
            f"the weights {name} cannot be fetched ({reason}): check the name and the network, or give a file"
        ) from error
