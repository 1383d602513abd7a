"""The files of a report before anything is drawn: their names, which are there already, and what is in their way."""

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from apcli.checkpoints.files.staging import staged
from apcli.configs.report import ReportConfig
from apcli.errors import ApcliError, UsageError
from apcli.records import lines
from apcli.records.json_objects import Record
from apcli.stages.report.inputs import NO_REPORT, digests_of, is_carrier, is_made
from apcli.stages.report.tables.csv_files import BOUNDS

log = logging.getLogger("apcli")


def check(config: ReportConfig) -> None:
    """Refuse what can be refused before the records are there.

    Raises:
        UsageError: a file that is no report has a report's name and ``overwrite`` is off.
    """
    for path in carriers(config):
        if not config.overwrite and path.is_file() and not is_carrier(path.suffix[1:], path.read_bytes()):
            raise in_the_way(path, NO_REPORT)


def carriers(config: ReportConfig) -> list[Path]:
    """The paths of the report's files that carry its records."""
    ends = [*config.formats, *([BOUNDS] if "csv" in config.formats else [])]
    return [named(config.stem, end) for end in ends]


def are_there(records: Sequence[Record], config: ReportConfig) -> list[Path]:
    """The files of the report, if all of them are there, of the same records and by this version; otherwise none.

    None are looked for if figures are to be written, or files to be replaced. A CSV file does not say so, and of a
    scale that is unusual only the page does.
    """
    paths = [named(config.stem, form) for form in config.formats]
    if config.figures is not None or config.overwrite or not all(path.is_file() for path in paths):
        return []
    digests = digests_of(records)
    if not all(is_made(path.read_bytes(), digests, config.scale) for path in paths):
        return []
    for path in paths:
        log.info("%s is already there, the same: kept", path)
    return paths


def in_the_way(path: Path, why: str, option: str = "--output") -> UsageError:
    """The error for a file that must not be replaced; ``option`` names another place."""
    return UsageError(f"{path} exists and {why}: --overwrite replaces it, {option} names another place")


def keep(records: Iterable[Record], stem: Path) -> Path:
    """Write records to a new file beside a report that could not be made, or to the working folder.

    Raises:
        ApcliError: the system refuses to write.
    """
    text = "".join(f"{lines.dump(record.to_json())}\n" for record in records).encode()
    try:
        return _kept(text, stem)
    except ApcliError:
        return _kept(text, Path(stem.name))


def _kept(text: bytes, stem: Path) -> Path:
    names = (named(stem, f"records{f'-{number}' if number > 1 else ''}.jsonl") for number in itertools.count(1))
    path = next(path for path in names if not path.exists() or (path.is_file() and path.read_bytes() == text))
    with staged(path) as temporary:
        temporary.write_bytes(text)
    return path


def named(stem: Path, end: str) -> Path:
    """The path of a report's file, by its ending."""
    return stem.with_name(f"{stem.name}.{end}")
