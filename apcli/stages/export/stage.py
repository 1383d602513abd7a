"""Export: write a checkpoint's network for other programs, and check that it computes the same there."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import torch

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.staging import temporary_folder
from apcli.checkpoints.verification import check_input
from apcli.configs.export import ExportConfig
from apcli.configs.shared import DataConfig
from apcli.errors import ApcliError, UsageError
from apcli.networks import Networks
from apcli.progress import Progress
from apcli.registry.tables import imported
from apcli.stages.export import FORMATS, FormatRow
from apcli.stages.export.check import check
from apcli.stages.export.library_networks import check_builds
from apcli.stages.export.places import Places
from apcli.stages.export.products import Exported
from apcli.words import join

log = logging.getLogger("apcli")


class Exporter:
    """Exports a stream of checkpoints to the formats of ``config``.

    Raises:
        UsageError: a format is unknown or does not go with an option, or one product's name is given for several.
        ApcliError: a package that a format needs is not installed.
    """

    def __init__(self, config: ExportConfig, places: Places, progress: Progress) -> None:
        self.config = config
        self.places = places
        self.progress = progress
        self.formats = _formats(config)
        places.expect(self.formats)
        progress.expect(len(self.formats))
        self.networks = Networks(DataConfig(), config.model, torch.device("cpu"), progress, config.inputs)

    def export(self, source: Checkpoint) -> Iterator[Path]:
        """Export one checkpoint; yields each product's path when it is complete and checked.

        Raises:
            UsageError: the network is unknown, a format cannot hold it, or another file is in the way.
            ApcliError: the network does not fit the file, does not run, or cannot be written in a format.
            VerificationError: a product computes other logits, or has fewer zeros.
        """
        self.progress(f"building the network of {source.label}")
        check_input(source)
        source.check_finite()
        spec = self.networks.spec(source)
        network = self.networks.network(spec, source).eval()
        exported = Exported(source, spec, network, {}, Path(), self.config.batch_size)
        for row in self.formats:
            if row.library:
                check_builds(row.library, exported)
        for row in self.formats:
            place = self.places.place(source, row)
            self.progress(f"writing {place}")
            settings = {"format": row.name, "batch_size": self.config.batch_size}
            made = self._made(row, replace(exported, settings=settings, home=place.parent), place)
            self.progress.finished(made=made)
            yield place

    def _made(self, row: FormatRow, exported: Exported, place: Path) -> bool:
        """Write, check and place a product; False if the same one is there already."""
        with temporary_folder() as folder:
            draft = folder / place.name
            row.load()(exported, draft)
            product = imported(row.reader)(draft, exported.spec)
            found = check(exported, product, str(place))
            made = self.places.put(folder, place)
        if made:
            log.info("%s: %s; it is loaded by %s", place, found, product.loading)
        return made


def _formats(config: ExportConfig) -> list[FormatRow]:
    if config.format is None:
        raise UsageError(f"--format is not given: expected one or more of {', '.join(FORMATS.names)}")
    rows = list({choice.name: choice.row for choice in FORMATS.parse_list(config.format)}.values())
    for row in rows:
        if row.library and config.batch_size is not None:
            raise UsageError(f"--batch-size is {config.batch_size}: --format {row.name} takes any, leave it out")
        missing = [package for package in row.packages if find_spec(package) is None]
        if missing:
            raise ApcliError(
                f"--format {row.name} needs {join(missing)}, not installed here: pip install 'apcli[export]'"
            )
    return rows
