"""A divergence record as a row of the CSV file: its fields, and the sign that PD in accuracy does not have."""

from apcli.records.divergence import DivergenceRecord
from apcli.records.json_objects import columns_of
from apcli.theory.statistics.performance import SPLITS

_AFTER = "pd_{}_accuracy"


def row_of(record: DivergenceRecord) -> dict[str, object]:
    """The columns of a record; behind each PD in accuracy the pruned network's accuracy − the dense one's."""
    row: dict[str, object] = {}
    for name, value in columns_of(record).items():
        row[name] = value
        for split in SPLITS:
            if name == _AFTER.format(split):
                row[f"change_{split}_accuracy"] = _change(record, split)
    return row


def _change(record: DivergenceRecord, split: str) -> float | None:
    sides = (getattr(side, split, None) for side in (record.metrics.dense, record.metrics.pruned))
    dense, pruned = (getattr(scores, "accuracy", None) for scores in sides)
    return None if dense is None or pruned is None else pruned - dense
