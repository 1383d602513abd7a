"""Where products go. A product is a file or a folder of files; it appears once it is complete and checked."""

import filecmp
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.staging import staged
from apcli.errors import UsageError
from apcli.progress import KEPT
from apcli.stages.export import FORMATS, FormatRow

log = logging.getLogger("apcli")


@dataclass
class Places:
    """Names the products of a run.

    ``target`` is the value of ``--output``: None (beside each checkpoint), a product whose name ends as its format's
    does, or a folder. ``checkpoints`` are known to come.
    """

    target: Path | None = None
    overwrite: bool = False
    checkpoints: int = 1
    _placed: set[Path] = field(default_factory=set)

    @property
    def names_a_product(self) -> bool:
        """Whether the target is one product instead of a folder for several."""
        endings = {Path(row.ending).suffix or row.ending for row in FORMATS}
        return self.target is not None and (self.target.suffix in endings and not self._is_folder(self.target))

    @staticmethod
    def _is_folder(target: Path) -> bool:
        return target.is_dir() and not (target / "config.json").exists()

    def expect(self, formats: list[FormatRow]) -> None:
        """Check, before anything is read, that all products have a place.

        Raises:
            UsageError: there are several, or one of another format, and ``--output`` names one product.
        """
        if self.target == Path("-"):
            raise UsageError("--output - is for checkpoints: expected a product's name, or a folder")
        if self.target is None or not self.names_a_product:
            return
        if len(formats) * self.checkpoints > 1:
            raise UsageError(f"--output {self.target} is one product but several come out: expected a folder")
        if not formats[0].ending.endswith(self.target.suffix):
            raise UsageError(
                f"--output {self.target}: a product of --format {formats[0].name} ends in {formats[0].ending}"
            )

    def place(self, source: Checkpoint, row: FormatRow) -> Path:
        """The path of a product.

        Raises:
            UsageError: another product of this run has it, or it is the checkpoint.
        """
        if self.names_a_product and self.target is not None:
            path = self.target
        else:
            path = (self.target or source.home) / f"{source.stem}{row.ending}"
        if path.resolve() in self._placed:
            raise UsageError(f"{path} would be written twice, from different inputs: give each its own --output")
        if path.resolve() in {file.resolve() for file in source.files}:
            raise UsageError(f"--output {path} is the checkpoint, and would be lost: name another file")
        self._placed.add(path.resolve())
        return path

    def put(self, folder: Path, place: Path) -> bool:
        """Move the files of a product, complete in ``folder``, to its place; False if the same ones are there already.

        Raises:
            UsageError: another file has the name, and ``overwrite`` is off.
            ApcliError: the system refuses to write.
        """
        made = sorted((file for file in folder.rglob("*") if file.is_file()), reverse=True)
        files = {place.parent / file.relative_to(folder): file for file in made}
        there = [path for path in files if path.exists()]
        if len(there) == len(files) and all(filecmp.cmp(path, file, shallow=False) for path, file in files.items()):
            log.info(KEPT, place)
            return False
        if there and not self.overwrite:
            raise UsageError(
                f"{there[0]} exists and is another one: --overwrite replaces it, --output names another place"
            )
        for path, file in files.items():  # last the one that readers open first
            with staged(path) as draft:
                shutil.copyfile(file, draft)
        return True
