"""Repack: the same checkpoint in another storage. It is no stage: the lineage stays as it is."""

import logging
from pathlib import Path

from apcli.checkpoints import lineage as lineages
from apcli.checkpoints.checkpoint import Checkpoint, relative
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.outputs import Outputs

log = logging.getLogger("apcli")


def only_repacks(source: Checkpoint, config: PruneConfig) -> bool:
    """Whether nothing is asked for but another storage: ``--sparsity 0`` and no more."""
    settings = source.lineage["settings"] if source.lineage else []
    packed = bool(source.lineage and source.lineage["storage"]) or bool(settings and settings[-1].get("storage"))
    return config == PruneConfig(sparsity=(0.0,), storage=config.storage) and (packed or config.storage != "dense")


def repack(source: Checkpoint, config: PruneConfig, outputs: Outputs) -> Path:
    """The same checkpoint in the wanted storage, bit for bit, with the same lineage.

    Raises:
        UsageError: another file is in the way.
    """
    if config.storage == "bitmask" and source.lineage and source.lineage["storage"]:
        raise UsageError(f"{source.label} is stored as {config.storage} already: nothing to do")
    stem = source.stem.removesuffix(".bitmask")
    path = outputs.place(f"{stem}.{config.storage}" if config.storage != "dense" else stem, source)
    home = outputs.home_of(path)
    lineage = dict(source.lineage or lineages.make("prune", {"sparsity": 0.0}, None))
    for key in ("parent", "dense"):
        link = lineage[key]
        if link and link.get("path") is not None:
            lineage[key] = {**link, "path": relative(source.home.resolve() / link["path"], home)}
    *before, last = lineage["settings"]
    if last["stage"] == "prune":  # as it would be, had the file been stored so at first
        last = {key: value for key, value in last.items() if key != "storage"}
        lineage["settings"] = [*before, last if config.storage == "dense" else {**last, "storage": config.storage}]
    wanted = {key: value for key, value in lineage.items() if key != "storage"}
    if not outputs.has(path, wanted):
        write(path, source.entries, {**lineage, "storage": {}}, packed=config.packed, like=source)
        made, earlier = read(path), source.file_bytes
        after = made.file_bytes
        log.info("%s: %d bytes, %d before (%.4g of it)", outputs.label(path), after, earlier, after / earlier)
        if config.packed and not (made.lineage or {})["storage"]:
            log.warning("%s: no tensor is smaller as a bit mask: all are stored dense", outputs.label(path))
    return path
