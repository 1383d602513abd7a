"""The records that a report was made from: each format carries them, so that a grown report replaces the smaller one.

The CSV file has the records themselves; the other formats carry a digest of every record.
"""

import base64
import hashlib
import re
from collections.abc import Iterable

from apcli import __version__
from apcli.configs.report import MEASURED
from apcli.records import lines
from apcli.records.bound import Bound, BoundRecord
from apcli.records.checkpoint import CheckpointRecord
from apcli.records.divergence import DivergenceRecord
from apcli.records.json_objects import Record
from apcli.stages.report.tables.record_rows import row_of
from apcli.words import count

MARK = "apcli-records"
NO_REPORT = "is not known to be a report of apcli"
_BYTES = 6  # of a digest: eight characters of base64
_MARK = re.compile(rb'%b(?:" content="|: )(\S+ )([A-Za-z0-9+/]*)' % MARK.encode())


def digests_of(records: Iterable[Record]) -> str:
    """The digests of the records in base64, sorted. A record's files are told by their SHA-256, wherever they lie."""
    return base64.b64encode(b"".join(sorted({_digest(record) for record in records}))).decode()


def mark_of(digests: str, scale: str = MEASURED) -> str:
    """The version of apcli, the scale if it is unusual, and the digests of a report's records."""
    return f"{__version__}{'' if scale == MEASURED else f',{scale}'} {digests}"


def is_made(content: bytes, digests: str, scale: str = MEASURED) -> bool:
    """Whether the content of a file is the report of these records on that scale, by this version of apcli."""
    found = _MARK.search(content)
    return found is not None and b"".join(found.groups()).decode() == mark_of(digests, scale)


def _digest(record: Record) -> bytes:
    members = record.to_json()
    for side in ("dense", "pruned"):
        file = members.get(side)
        if isinstance(file, dict) and file.get("sha256"):
            members[side] = file["sha256"]
    if isinstance(record, CheckpointRecord):
        del members["path"]
    return hashlib.sha256(lines.dump(members).encode()).digest()[:_BYTES]


def is_carrier(form: str, content: bytes) -> bool:
    """Whether the content of a file is that of a report that carries its records in this way."""
    if form == "csv":
        return content.partition(b"\n")[0].decode(errors="replace") in _headings()
    return _MARK.search(content) is not None


def _headings() -> set[str]:
    """The first lines of the CSV files of records."""
    bound = Bound(statement="", source="", standing="", quantity="")
    empty = DivergenceRecord(layer="", dist=""), BoundRecord(layer="", theory="", bound=bound)
    return {",".join(row_of(record)) for record in empty}


def objection(form: str, old: bytes, new: bytes) -> str:
    """Why a report must not replace the one that is there; empty if the new one's records include the old one's."""
    if not is_carrier(form, old):
        return NO_REPORT
    lost = len(_carried(form, old) - _carried(form, new))
    return f"has {count(lost, 'record')} that the new report lacks" if lost else ""


def _carried(form: str, content: bytes) -> set[bytes]:
    if form == "csv":
        return set(content.splitlines())
    found = _MARK.search(content)
    text = base64.b64decode(found[2]) if found else b""
    return {text[start : start + _BYTES] for start in range(0, len(text), _BYTES)}
