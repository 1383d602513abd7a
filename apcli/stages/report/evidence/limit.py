"""The pruning limit: how few weights each theory says are enough, beside one-shot pruning as it was measured."""

from apcli.stages.report.comparisons.limits import limits_of
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.columns import Column, table_of


def limit(report: Report, group: Group) -> Section | None:
    """The section; None without a record about the share of weights to keep."""
    found = [(one, record) for one in limits_of(group) for record in one.statements]
    if not found:
        return None
    bounds = [record.bound for _, record in found]
    columns = [
        Column("network", tuple(one.name for one, _ in found)),
        Column("statement", tuple(bound.statement for bound in bounds)),
        Column("as", tuple(bound.standing for bound in bounds)),
        Column("kept", tuple(None if b.value is None else 100 * b.value for b in bounds), "weights", "%", decimals=3),
        Column("may go", tuple(None if b.value is None else 100 * (1 - b.value) for b in bounds), "weights", "%",
               decimals=3),
        Column("verdict", tuple(bound.verdict for bound in bounds)),
        Column("ε", tuple(one.eps for one, _ in found), unit="nats"),
        Column("source", tuple(bound.source for bound in bounds), further=True),
    ]  # fmt: skip
    caption = (
        "The share of the weights that a dense network must keep so that its training loss rises by at most ε. The "
        "published limit and those of a random subspace are predictions from below; that of one-shot pruning was "
        "measured, and is what is enough without any adjustment of the weights that stay."
    )
    return Section((), (table_of("limit", "Pruning limits", columns, caption, keys=2),))
