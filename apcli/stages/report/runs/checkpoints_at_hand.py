"""The checkpoint records of a report: those that were given, and those of files that are at hand."""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from apcli.errors import ApcliError
from apcli.records.checkpoint import CheckpointRecord
from apcli.records.divergence import DivergenceRecord
from apcli.words import count

log = logging.getLogger("apcli")


def with_files_at_hand(
    records: Iterable[DivergenceRecord],
    given: Iterable[CheckpointRecord],
    describe: Callable[[Path], CheckpointRecord] | None,
) -> dict[str, CheckpointRecord]:
    """The records of the compared files by SHA-256: ``given`` ones first, then those of files that are at hand.

    A file is at hand if there is one at the recorded path with the recorded SHA-256. Files that are missing, have
    changed or cannot be read are left out, with one line for all of them. ``describe`` None: no file is looked for.
    """
    known = {record.sha256: record for record in given}
    if describe is None:
        return known
    wanted = {
        file.sha256: Path(file.path)
        for record in records
        for file in (record.dense, record.pruned)
        if file.sha256 and file.path and file.sha256 not in known
    }
    missing = 0
    for sha256, path in wanted.items():
        record = _described(path, describe)
        if record is not None and record.sha256 == sha256:
            known[sha256] = record
        else:
            missing += 1
    if missing:
        log.info(
            "%s of %d not at hand, or changed since: their sizes, costs and settings are left out",
            count(missing, "compared file"),
            len(wanted),
        )
    return known


def _described(path: Path, describe: Callable[[Path], CheckpointRecord]) -> CheckpointRecord | None:
    if not os.path.isfile(path):  # False too of a name that no file can have
        return None
    try:
        return describe(path)
    except ApcliError as error:
        log.debug("%s", error)
        return None
