"""The section on fine-tuning: rank agreement within networks, and the means at every epoch."""

from studies import only_group

from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.epochs import epochs
from apcli.stages.report.runs.experiment import build


def section(records):
    report = build(records)
    return epochs(report, report.groups[0])


def test_agreement_within_networks(small):
    (table,) = section(small).tables
    within = comparisons_of(only_group(small)).within_networks
    found = {column.heading: column.cells for column in table.columns}
    assert found["τ within a network, mean"] == tuple(w.mean for w in within)
    assert found["pruned networks, above 0"] == tuple(sum(tau > 0 for tau in w.taus) for w in within)
    assert found["epochs"] == ("3",) * len(within)


def test_every_epoch_is_in_the_details(small):
    (table,) = section(small).details
    group = only_group(small)
    found = {column.heading: column.cells for column in table.columns}
    assert found["epoch"] == (0, 1, 2) * len(group.runs)
    assert found["AP2, squared distance"][1] == group.runs[0].at(group.measures[0].key, 1).mean


def test_without_a_trace_there_is_no_section(make_grid):
    assert section(make_grid(seeds=(0,), epochs=0)) is None
