"""A record as a row of a CSV file: its fields and, of divergence, the sign that PD in accuracy does not have."""

from apcli.records.behaviour import BehaviourRecord
from apcli.records.bound import BoundRecord
from apcli.records.divergence import DivergenceRecord
from apcli.records.json_objects import columns_of
from apcli.theory.statistics.performance import SPLITS

_AFTER = "pd_{}_accuracy"


TabledRecord = DivergenceRecord | BoundRecord | BehaviourRecord


def row_of(record: TabledRecord) -> dict[str, object]:
    """The columns of a record; behind each PD in accuracy the pruned network's accuracy − the dense one's."""
    row: dict[str, object] = {}
    for name, value in columns_of(record).items():
        row[name] = value
        for split in SPLITS:
            if isinstance(record, DivergenceRecord) and name == _AFTER.format(split):
                row[f"change_{split}_accuracy"] = _change(record, split)
    return row


def _change(record: DivergenceRecord, split: str) -> float | None:
    sides = (getattr(side, split, None) for side in (record.metrics.dense, record.metrics.pruned))
    dense, pruned = (getattr(scores, "accuracy", None) for scores in sides)
    return None if dense is None or pruned is None else pruned - dense
