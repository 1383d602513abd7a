"""Records: one JSON object per line (standard library only).

A kind of record is one dataclass, whose fields say what is written, checked, tabled and documented, and one row here.
"""

from apcli.registry.tables import Row, Table

POOLED = "*"  # the ``layer`` of all compared layers taken as one vector


def name_of(layer: str, number: int | None) -> str:
    """A layer's name, or that of one of its filters: ``conv1[3]``."""
    return layer if number is None else f"{layer}[{number}]"


KINDS = Table(
    "record kind",
    (
        Row(
            "divergence",
            "apcli.records.divergence:DivergenceRecord",
            "how far the weights of one layer, or of all, moved; beside how far the performance moved",
            "apcli divergence",
        ),
        Row(
            "checkpoint",
            "apcli.records.checkpoint:CheckpointRecord",
            "what a file is, what it costs, and how it was made",
            "apcli report CHECKPOINT --json",
        ),
        Row(
            "bound",
            "apcli.records.bound:BoundRecord",
            "what a theorem says of a pair of files, beside what was measured",
            "apcli bounds",
        ),
        Row(
            "behaviour",
            "apcli.records.behaviour:BehaviourRecord",
            "what the networks of a pair of files do with the same images",
            "apcli behaviour",
        ),
        Row(
            "exemplars",
            "apcli.records.exemplars:ExemplarsRecord",
            "the images that dense networks get right and most pruned ones of a sparsity get wrong",
            "apcli behaviour",
        ),
        Row(
            "overlap",
            "apcli.records.overlap:OverlapRecord",
            "how far two pruned files of one sparsity keep the same weights",
            "apcli behaviour",
        ),
        Row(
            "report",
            "apcli.records.report:ReportRecord",
            "everything that a report says, for programs",
            "apcli report RECORDS --format json",
        ),
    ),
)
