"""What the shell completes: names from the tables, and the names of models that the libraries build."""

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from apcli.data import DATASETS
from apcli.models import MODELS
from apcli.registry.tables import Table

Completed = list[tuple[str, str]]  # what the word may become, and a line of help
_LIBRARIES = ("torchvision", "timm")


def of_tables(*tables: Table[Any]) -> Callable[[str], Completed]:
    """Completes the last member of a comma list by the names of rows."""

    def complete(incomplete: str) -> Completed:
        before, comma, last = incomplete.rpartition(",")
        rows = {row.name: row.summary for table in tables for row in table if row.name.startswith(last)}
        return [(f"{before}{comma}{name}", summary) for name, summary in rows.items()]

    return complete


def of_data(incomplete: str) -> Completed:
    """Completes a data set, or the folder of images after ``folder:``."""
    prefix, colon, path = incomplete.partition(":")
    if colon and prefix == "folder":
        return [(f"folder:{folder}", "") for folder in _folders(path)]
    return [
        *of_tables(DATASETS)(incomplete),
        *([("folder:", "images, a folder for each class")] * ("folder:".startswith(incomplete))),
    ]


def of_models(incomplete: str) -> Completed:
    """Completes a model by its name in apcli, torchvision or timm."""
    own = of_tables(MODELS)(incomplete)
    try:
        return [*own, *((name, "") for name in library_models() if name.startswith(incomplete))]
    except Exception:  # completion has nowhere to say what is wrong with a library or a folder
        return own


def _folders(path: str) -> Iterator[str]:
    above, name = os.path.split(path)
    with suppress(OSError):
        for entry in sorted(os.scandir(above or "."), key=lambda entry: entry.name):
            if entry.is_dir() and entry.name.startswith(name):
                yield os.path.join(above, entry.name)


def library_models() -> list[str]:
    """The models of torchvision and timm, as ``torchvision:NAME`` and ``timm:NAME``.

    Listing them takes seconds, as the libraries are imported: the list is cached, by the libraries' versions.
    """
    place = _cache()
    with suppress(OSError):
        return place.read_text(encoding="utf-8").splitlines()
    from apcli.models.sources import known

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        names = [f"{library}:{name}" for library in _LIBRARIES for name in known(library)]
    with suppress(OSError):  # a folder that cannot be written is no reason not to complete
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        draft.write_text("\n".join(names), encoding="utf-8")
        draft.replace(place)
    return names


def _cache() -> Path:
    from importlib import metadata  # takes as long as a command's help without it

    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    versions = "-".join(f"{library}-{metadata.version(library)}" for library in _LIBRARIES)
    return Path(home) / "apcli" / f"models-{versions}.txt"
