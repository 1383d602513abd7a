"""torchvision's data sets, found in the data folder or downloaded into it; no image is decoded yet."""

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apcli.data import DatasetRow
from apcli.errors import ApcliError, UsageError
from apcli.libraries import library
from apcli.registry.tables import Choice

log = logging.getLogger("apcli")


def torchvision_splits(choice: Choice[DatasetRow], data_dir: Path, download: bool) -> tuple[Any, Any]:
    """The train and the test split of a torchvision set below ``data_dir``, as torchvision's objects.

    Raises:
        UsageError: the data is missing and ``download`` is off, or there is no download for it.
        ApcliError: the download or reading fails.
    """
    row = choice.row
    assert isinstance(row, DatasetRow)
    missing = [name for name in row.files if not (data_dir / name).exists()]
    place = f"point --data-dir at the folder that holds {' and '.join(row.files)}"
    if missing and not row.downloads:
        raise UsageError(f"{choice.spec} is not in {data_dir} and must be downloaded by hand: {place}")
    if missing and not download:
        raise UsageError(f"{choice.spec} is not in {data_dir}: add --download, or {place}")
    fetch = {"download": True} if download and row.downloads else {}
    if missing:
        log.info("downloading %s into %s", choice.spec, data_dir)
    library("torchvision")
    try:
        with _quiet():
            train, test = (choice(data_dir, **arguments, **fetch) for arguments in row.splits)
    except Exception as error:  # torchvision passes on whatever its downloaders, archives and file readers raise
        if isinstance(error, ValueError) and choice.parameters != row.parameters:
            raise UsageError(f"{choice.spec}: {error}") from error
        why = f"{choice.spec}: {in_words(error)}"
        if fetch:
            raise ApcliError(
                f"could not download or read {why}: check the network and {data_dir}, or {place}"
            ) from error
        remedy = "remove it and add --download to download it again" if row.downloads else place
        raise ApcliError(f"could not read {why} (in {data_dir}): {remedy}") from error
    return train, test


def in_words(error: Exception) -> str:
    """A foreign error's message, on one line and without torchvision's advice to its own callers."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.split(" You can ")[0].rstrip(".")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torchvision's output off stdout, which carries the result; show its progress bar on a terminal only."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if not (os.isatty(2) and log.isEnabledFor(logging.INFO)):
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield
