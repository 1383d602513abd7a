"""Whether a divergence follows the loss through fine-tuning: rank agreement within networks, and the means."""

from apcli.stages.report.comparisons.over_epochs import WithinNetworks
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.section import Section, named
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

MEASURES = 5  # shown at first


def epochs(report: Report, group: Group) -> Section | None:
    """The section; None if no network was traced through fine-tuning."""
    if not any((run.epochs or [0])[-1] > 0 for run in group.runs):
        return None
    within = comparisons_of(group).within_networks
    return Section((), (_within(within),) if within else (), (_means(group),))


def _within(within: tuple[WithinNetworks, ...]) -> ReportTable:
    interval = tuple(w.interval for w in within)
    columns = [
        Column("measure", tuple(w.measure.label for w in within)),
        Column("against PD in", tuple(w.target.words for w in within)),
        Column(
            "mean", tuple(w.mean for w in within), "τ within a network", interval=interval if any(interval) else (),
            networks=tuple(w.networks for w in within), decimals=2,
        ),
        Column("lowest", tuple(w.low for w in within), "τ within a network", decimals=2),
        Column("highest", tuple(w.high for w in within), "τ within a network", decimals=2),
        Column("above 0", tuple(sum(tau > 0 for tau in w.taus) for w in within), "pruned networks"),
        Column("in all", tuple(w.n for w in within), "pruned networks"),
        Column("dense networks", tuple(w.networks for w in within)),
        Column("epochs", tuple(_range(w.epochs) for w in within)),
        Column("without a τ", tuple(w.constant for w in within), "pruned networks", further=True),
    ]  # fmt: skip
    caption = (
        "Kendall’s τ between a measure and PD over the epochs of one pruned network, just pruned included: its mean "
        "over the pruned networks, and its range."
    )
    return table_of("within-networks", "Rank agreement within a network", columns, caption, keys=2)


def _range(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]} to {pair[1]}"


def _means(group: Group) -> ReportTable:
    listed = [(run, epoch) for run in group.runs for epoch in run.epochs]
    later = group.measures[MEASURES:]
    found = [(q, [run.at(q.key, epoch) for run, epoch in listed], q in later) for q in group.quantities]
    columns = [
        *named([run for run, _ in listed]),
        Column("epoch", tuple(epoch for _, epoch in listed)),
        *(
            Column(q.label, tuple(None if stat is None else stat.mean for stat in values), unit=q.unit, further=later)
            for q, values, later in found
        ),
    ]
    return table_of("epochs", "Every epoch of fine-tuning", columns, "Means; epoch 0 is just pruned.", keys=3)
