"""The sections of evidence: a row for each, with the kinds of record that it shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apcli.records.json_objects import OtherRecord, Record
from apcli.registry.tables import Row, Table
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.runs.experiment import Group, Report

_HERE = "apcli.stages.report.evidence"


@dataclass(frozen=True)
class SectionRow(Row):
    """A section: ``target(report, group)`` gives a ``Section``, or None if the records hold nothing for it.

    Its name is its anchor on the page, where figures of the same anchor stand and answers point to; ``summary`` is its
    question, and ``kinds`` are the kinds of record that it shows.
    """

    title: str = ""
    kinds: tuple[str, ...] = ()


SECTIONS = Table(
    "section",
    (
        SectionRow(
            "accuracy",
            f"{_HERE}.accuracy:accuracy",
            "Which method keeps the accuracy, at which sparsity?",
            "Blalock et al. 2020, arXiv:2003.03033",
            title="Accuracy",
            kinds=("divergence",),
        ),
        SectionRow(
            "cost",
            f"{_HERE}.cost:cost",
            "What is gained?",
            "Blalock et al. 2020, arXiv:2003.03033",
            title="Cost",
            kinds=("checkpoint",),
        ),
        SectionRow(
            "divergence",
            f"{_HERE}.divergence:divergence",
            "How far did weights and losses move?",
            "arXiv:2403.00155, Definitions 4 to 6",
            title="Divergence and loss",
            kinds=("divergence",),
        ),
        SectionRow(
            "order",
            f"{_HERE}.order:order",
            "Does a divergence predict the loss?",
            "arXiv:2403.00155, Lemma 2; Kendall 1945, doi:10.1093/biomet/33.3.239",
            title="Order of the runs",
            kinds=("divergence",),
        ),
        SectionRow(
            "epochs",
            f"{_HERE}.epochs:epochs",
            "Does it follow the loss through fine-tuning?",
            "arXiv:2403.00155, Figures 2 to 16",
            title="Through fine-tuning",
            kinds=("divergence",),
        ),
        SectionRow(
            "layers",
            f"{_HERE}.layers:layers",
            "Where did the weights go?",
            "arXiv:2403.00155",
            title="Layers",
            kinds=("divergence",),
        ),
        SectionRow(
            "behaviour",
            f"{_HERE}.behaviour:behaviour",
            "What did pruning forget, and which divergence sees it?",
            "Hooker et al. 2019, arXiv:1911.05248; Liebenwein et al. 2021, arXiv:2103.03014",
            title="Behaviour",
            kinds=("behaviour", "exemplars", "overlap"),
        ),
        SectionRow(
            "widths",
            f"{_HERE}.widths:widths",
            "How was the budget shared, and why so?",
            "Zheng et al. 2025, IJCV 133:5455, arXiv:2108.08532",
            title="Widths",
            kinds=("checkpoint",),
        ),
        SectionRow(
            "bounds",
            f"{_HERE}.bounds:bounds",
            "Do the bounds hold, and do they say anything?",
            "arXiv:2403.00155; Qian & Klabjan, arXiv:2105.10065",
            title="Bounds",
            kinds=("bound",),
        ),
        SectionRow(
            "limit",
            f"{_HERE}.limit:limit",
            "How many weights may go?",
            "arXiv:2306.05857",
            title="The pruning limit",
            kinds=("bound",),
        ),
    ),
)


def sections_of(report: Report, group: Group) -> list[tuple[SectionRow, Section]]:
    """The sections that a group's records fill."""
    made = [(row, row.load()(report, group)) for row in SECTIONS]
    return [(row, section) for row, section in made if section is not None]


def unshown(records: Sequence[Record]) -> Mapping[str, int]:
    """How many records there are of each kind that no section shows."""
    shown = {kind for row in SECTIONS for kind in row.kinds}
    return {kind: number for kind, number in Counter(map(kind_of, records)).items() if kind not in shown}


def kind_of(record: Record) -> str:
    """The kind of a record, also of one that this version does not know."""
    return str(record.members["kind"]) if isinstance(record, OtherRecord) else record.kind
