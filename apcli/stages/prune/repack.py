"""Repack: store the same checkpoint in another way. This is no stage, so the lineage stays the same."""

import logging
from dataclasses import replace
from pathlib import Path

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import others
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.outputs import Outputs

log = logging.getLogger("apcli")


def only_repacks(source: Checkpoint, config: PruneConfig) -> bool:
    """Whether only another storage is requested: ``--sparsity 0`` without further options."""
    packed = bool(source.lineage.storage) or bool(source.lineage.last_settings.options.get("storage"))
    return config == PruneConfig(sparsity=(0.0,), storage=config.storage) and (packed or config.storage != "dense")


def repack(source: Checkpoint, config: PruneConfig, outputs: Outputs) -> Path:
    """Store the same checkpoint, bit for bit and with the same lineage, in the wanted way.

    Raises:
        UsageError: another file has the same name.
    """
    path, lineage = repacked(source, config, outputs)
    if not outputs.has(path, lineage):
        write(path, source.entries, lineage, packed=config.packed, like=source, streamed=True)
        made, earlier = read(path), source.file_bytes
        after = made.file_bytes
        log.info("%s: %d bytes, %d before (%.4g of it)", outputs.label(path), after, earlier, after / earlier)
        if config.packed and not made.lineage.storage:
            log.warning("%s: no tensor is smaller as a bit mask: all are stored dense", outputs.label(path))
    return path


def repacked(source: Checkpoint, config: PruneConfig, outputs: Outputs) -> tuple[Path, Lineage]:
    """The path that ``repack`` writes to, and the lineage of its file.

    Raises:
        UsageError: the checkpoint is stored that way already.
    """
    if config.storage == "bitmask" and source.lineage.storage:
        raise UsageError(f"{source.label} is stored as {config.storage} already: nothing to do")
    stem = source.stem.removesuffix(".bitmask")
    path = outputs.place(f"{stem}.{config.storage}" if config.storage != "dense" else stem, source)
    return path, _repacked(source, config.storage, outputs.home_of(path))


def _repacked(source: Checkpoint, storage: str, home: Path) -> Lineage:
    """The source's lineage for a file in folder ``home``, before its tensors are packed."""
    lineage = source.lineage if source.lineage.is_known else Lineage.EMPTY.then("prune", {"sparsity": 0.0})
    parent, dense = (link and source.moved(link, home) for link in (lineage.parent, lineage.dense))
    settings, last = lineage.settings, lineage.last_settings
    if last.stage == "prune":  # as if the file had been stored this way at first
        options = others(last.options, {"storage"})
        last = replace(last, options=options if storage == "dense" else {**options, "storage": storage})
        settings = (*settings[:-1], last)
    return replace(lineage, parent=parent, dense=dense, settings=settings, storage={})
