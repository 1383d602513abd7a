"""The section on orders: agreements, the ranking and the pairs that break the order, as they were compared."""

from studies import limit_records, only_group, variant

from apcli.records.divergence import PerformanceDifference
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.order import order
from apcli.stages.report.runs.experiment import build


def section(records):
    report = build(records)
    return order(report, report.groups[0])


def test_agreements_of_all_runs_are_shown(small, make_grid):
    (table,) = section(small).tables
    found = {column.heading: column.cells for column in table.columns}
    assert found["among"] == ("all runs",) * 3 + ("runs at one sparsity",) * 3
    listed = [a for a in comparisons_of(only_group(small)).agreements if a.over in ("all", "same sparsity")]
    final = [a.tau for a in listed if (a.moment, a.target.words) == ("final", "test loss")]
    assert found["τ, after fine-tuning, PD in test loss [of single networks]"] == tuple(final)
    (table,) = section(make_grid(seeds=(0, 1, 2, 3, 4), epochs=0, sparsities=(0.1, 0.5))).tables
    column = next(c for c in table.columns if c.name == "PD in test loss [95 % interval]")
    assert all(low <= tau <= high for tau, (low, high) in zip(column.cells, column.interval, strict=True))


def test_every_agreement_is_in_the_details(small):
    listed = comparisons_of(only_group(small)).agreements
    table = next(table for table in section(small).details if table.name == "order-parts")
    found = {column.heading: column.cells for column in table.columns}
    assert found["rank agreement τ, τ"] == tuple(a.tau for a in listed)
    assert found["pairs of runs, of"] == tuple(a.pairs for a in listed)


def test_parts_epochs_pairs_and_contrasts_are_details(twelve_measures, small):
    names = [table.name for table in section(small).details]
    assert names == ["order-parts", "order-epochs", "broken-pairs", "contrast"]
    details = {table.name: table for table in section(twelve_measures).details}
    ranking = {column.heading: column.cells for column in details["ranking"].columns}
    assert ranking["which is"].count("the best") == len(comparisons_of(only_group(twelve_measures)).rankings)
    broken = details["broken-pairs"]
    pairs = list(zip(*(column.cells for column in broken.columns if column.name not in ("by",)), strict=True))
    assert len(pairs) == len(set(pairs)), "each pair stands there once"


def test_pairs_say_which_run_is_past_the_pruning_limit(small):
    def column(records):
        table = next(table for table in section(records).details if table.name == "broken-pairs")
        return {c.name: c.cells for c in table.columns}.get("past the pruning limit")

    past = column([*small, *limit_records(dense=f"{0:064x}")])
    assert set(past) == {"neither", "lowest (layer) at 0.5"}, "those at 0.5, right after pruning, alone"
    assert not column(small)


def test_without_pd_there_is_no_section(small):
    assert section(variant(small, "ap2", pd=PerformanceDifference())) is None
