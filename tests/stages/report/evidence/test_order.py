"""The section on orders: agreements, the ranking and the pairs that break the order, as they were compared."""

import statistics
from dataclasses import replace

import pytest
from scipy.stats import kendalltau
from studies import improving, limit_records, only_group, variant

from apcli.records.divergence import PerformanceDifference
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.evidence.order import order
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.runs.quantities import PD_LOSS


def section(records):
    report = build(records)
    return order(report, report.groups[0])


def test_agreements_of_all_runs_are_shown(small, make_grid):
    (table,) = section(small).tables
    found = {column.heading: column.cells for column in table.columns}
    assert found["among"] == ("all runs",) * 6 + ("runs at one sparsity",) * 6
    assert found["loss"] == (("test",) * 3 + ("train",) * 3) * 2
    final = [a for a in comparisons_of(only_group(small)).agreements if a.moment == "final"]
    places = [(over, loss) for over in ("all", "same sparsity") for loss in ("test loss", "train loss")]
    expected = [a.tau for place in places for a in final if (a.over, a.target.words) == place]
    assert found["τ, after fine-tuning, PD [of single networks]"] == tuple(expected)
    assert not any("signed" in heading for heading in found), "no run improved"
    (table,) = section(make_grid(seeds=(0, 1, 2, 3, 4), epochs=0, sparsities=(0.1, 0.5))).tables
    column = next(c for c in table.columns if c.name == "PD [95 % interval]")
    assert all(low <= tau <= high for tau, (low, high) in zip(column.cells, column.interval, strict=True))


def test_beside_pd_stands_the_signed_change_where_runs_improved(make_grid):
    records = variant(improving(make_grid(seeds=range(5), epochs=2, sparsities=(0.1, 0.5))), "ap2")
    (table,) = section(records).tables
    found = {column.heading: column for column in table.columns}
    heading = "τ, after fine-tuning, signed change [95 % interval]"
    assert [name for name in found if "signed" in name] == [heading], "right after pruning, no run improved"
    (measure,) = (group := only_group(records)).measures
    sign = {"lowest (layer)": -1, "random (layer)": 1, "highest (layer)": 1}
    networks = [
        [(t.final(measure.key), sign[run.method] * t.final(PD_LOSS[0].key))
         for run in group.runs for t in run.trials if t.network == network]
        for network in group.runs[0].networks
    ]  # fmt: skip
    expected = statistics.fmean(kendalltau(*zip(*runs, strict=True)).statistic for runs in networks)
    assert found[heading].cells[0] == pytest.approx(expected)
    assert found[heading].cells[0] < found["τ, after fine-tuning, PD [95 % interval]"].cells[0]
    assert "means: 2 of 6 after fine-tuning (test loss) and 2 of 6 after fine-tuning (train loss)." in table.caption


def test_an_interval_without_width_says_that_all_networks_agree(make_grid):
    records = variant(make_grid(seeds=range(5), epochs=0, sparsities=(0.1, 0.5)), "ap2")
    (table,) = section([replace(r, value=r.pd.test.loss) for r in records]).tables
    column = next(c for c in table.columns if c.name == "PD [95 % interval]")
    assert column.texts()[0].whole == "1.00 same in all 5"


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
