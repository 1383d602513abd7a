"""Tables of times, measured once on a device: by them the same command gives the same bytes."""

import json
from hashlib import sha256
from pathlib import Path

from apcli.errors import ApcliError, UsageError
from apcli.records.latency_table import KIND, VERSION, LatencyTable


def hash_of(path: str) -> str:
    """The SHA-256 of a table's bytes, by which a lineage names it.

    Raises:
        UsageError: there is no such file.
    """
    return sha256(_bytes(path)).hexdigest()


def table_at(path: str) -> LatencyTable:
    """The table in a file.

    Raises:
        UsageError: there is no such file.
        ApcliError: it is no such table.
    """
    try:
        members = json.loads(_bytes(path))
    except ValueError:
        members = None
    if not isinstance(members, dict) or (members.get("kind"), members.get("version")) != (KIND, VERSION):
        raise ApcliError(
            f"{path} is no latency table of version {VERSION}: expected what apcli report CHECKPOINT --latency-table "
            "FILE writes"
        )
    table = LatencyTable.from_json(members, path)
    for one in table.layers:
        fine = len(one.shape) > 1 and len(one.rows) == len(one.columns) == len(one.seconds) > 0 and min(one.seconds) > 0
        if not fine:
            raise ApcliError(f"{path}: the times of {one.tensor} are no times at as many widths: measure it again")
    return table


def _bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"--latency-table {path} cannot be read ({error.strerror}): expected a file") from None
