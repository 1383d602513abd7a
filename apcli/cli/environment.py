"""``apcli env``: what a bug report needs."""

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

from apcli import __version__
from apcli.cli.layout.text import fact_lines
from apcli.cli.options import shared
from apcli.cli.streams import stdout, terminal
from apcli.errors import first_line

_LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "safetensors",
    "typer",
    "rich",
    "jinja2",
)
_LIBRARIES_ON_REQUEST = (
    "matplotlib",
    "pyro-ppl",
    "tensorboard",
    "huggingface-hub",
    "onnx",
    "onnxscript",
    "onnxruntime",
)


def env(quiet: shared.Quiet = False) -> None:
    """Print versions, devices, threads and caches, for a bug report.

    \b
      apcli env
    """
    terminal.start("env", quiet)
    stdout.emit_text("\n".join(fact_lines(facts(), size=16, width=stdout.columns())))


def facts() -> list[tuple[str, str]]:
    """Names and values, in the order in which they are printed; nothing is downloaded or written."""
    return [
        ("apcli", __version__),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        *((library, _version(library) or "not installed") for library in _LIBRARIES),
        *((library, version) for library in _LIBRARIES_ON_REQUEST if (version := _version(library))),
        *_devices(),
        *_caches(),
    ]


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[tuple[str, str]]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return [("torch fails", first_line(error))]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows = [("threads", f"{torch.get_num_threads()} of torch, {cores} cores to run on")]
    if not torch.cuda.is_available():
        return [*rows, ("cuda", f"no device (torch is built for {torch.version.cuda or 'the CPU alone'})")]
    for number in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(number)
        memory = device.total_memory / 2**30
        rows.append((f"cuda:{number}", f"{device.name}, {memory:.0f} GiB, CUDA {torch.version.cuda}"))
    return rows


def _caches() -> list[tuple[str, str]]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    torch_home = os.environ.get("TORCH_HOME") or str(cache / "torch")
    hub = os.environ.get("HF_HUB_CACHE") or str(Path(os.environ.get("HF_HOME") or cache / "huggingface") / "hub")
    data = os.environ.get("APCLI_DATA_DIR") or "data"
    places = (("data sets", data), ("torch cache", torch_home), ("hub cache", hub))
    return [(name, f"{place}{'' if Path(place).is_dir() else ' (not there)'}") for name, place in places]
