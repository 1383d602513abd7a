"""The data that a lineage describes: their name, and the image folder of that name and fingerprint."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apcli.data import DATASETS, FOLDER
from apcli.data.images import fingerprint
from apcli.errors import ApcliError


def folder_among(places: Iterable[Path], described: Mapping[str, Any]) -> str | None:
    """The ``--data`` of the folder that ``described`` is of, if one of ``places`` has it, unchanged; otherwise None.

    Args:
        described: the lineage's entry (``Dataset.description``), from a file that anyone may have made.
    """
    name = str(described.get("name")).partition(":")[2]
    if not name or Path(name).name != name:
        return None
    for path in dict.fromkeys(place / name for place in places):
        if not path.is_dir():
            continue
        try:
            _, sources = FOLDER.load()(str(path))
        except ApcliError:  # a folder of that name that holds something else
            continue
        if fingerprint(sources) == described.get("sha256"):
            return f"{FOLDER.name}:{path}"
    return None


def recorded_name(name: str) -> str:
    """The name that a lineage gives to the data of this ``--data``: without a folder's path.

    Raises:
        UsageError: an unknown name.
    """
    kind, _, path = name.partition(":")
    if kind == FOLDER.name:
        return f"{kind}:{Path(path).expanduser().resolve().name}"
    return DATASETS.parse(name).spec
