"""All comparisons of a group, once."""

import gc
import time

import pytest
from behaviours import behaviours_of
from studies import only_group, variant

from apcli.stages.report.comparisons import summary
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.comparisons.behaviour import seen
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.drawing.pictures import pictures
from apcli.stages.report.page.document import page
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.csv_files import csv_files
from apcli.stages.report.tables.json_files import to_json
from apcli.stages.report.tables.markdown import to_markdown


def test_comparisons_hold_what_there_is(make_grid):
    group = only_group(make_grid(seeds=(0, 1, 2), epochs=2, sparsities=(0.1, 0.5)))
    found = comparisons_of(group)
    assert found.networks == 3
    assert len(found.agreements) == len(agreements_of(group))
    assert (len(found.methods), len(found.within_networks), len(found.contrasts)) == (12, 6, 36)
    assert found.by_epoch


def test_files_alone_have_nothing_over_epochs(make_grid):
    found = comparisons_of(only_group(variant(make_grid(seeds=(0,), epochs=0), "ap2")))
    assert found.by_epoch == found.within_networks == found.contrasts == found.rankings == ()


def test_behaviour_is_ranked_once_for_all_that_show_it(make_grid, monkeypatch):
    calls = []
    monkeypatch.setattr(summary, "seen", lambda group: calls.append(group) or seen(group))
    records = make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1, 0.5))
    report = build([*records, *behaviours_of(records)])
    assert "A divergence orders best" in to_markdown(report)
    assert "images that turn wrong" in to_json(report)
    assert calls == list(report.groups)
    found = comparisons_of(report.groups[0])
    assert {one.target for one in found.behaviour_rankings} <= {a.target for a in found.behaviour}
    assert found.behaviour


@pytest.mark.slow
def test_page_markdown_csv_and_figures_share_them(make_grid, monkeypatch):
    calls = []
    monkeypatch.setattr(summary, "agreements_of", lambda group: calls.append(group) or agreements_of(group))
    report = build(variant(make_grid(seeds=(0, 1), epochs=2, sparsities=(0.1, 0.5)), "ap2"))
    page(report, pictures(report))
    to_markdown(report)
    csv_files(report)
    assert calls == list(report.groups)


def test_comparisons_live_as_long_as_their_group(make_grid):
    group = only_group(variant(make_grid(seeds=(0,), epochs=0), "ap2"))
    comparisons_of(group)
    held = len(summary._MADE)
    del group
    gc.collect()
    assert len(summary._MADE) < held


@pytest.mark.slow
def test_thirty_thousand_records_take_seconds(make_grid):
    """10 dense networks × 15 runs × 20 measures × 10 epochs: two seconds of one slow core."""
    few = make_grid(seeds=range(10), epochs=9, sparsities=(0.1, 0.3, 0.5, 0.7, 0.9))
    records = [record for index in range(20) for record in variant(few, "gaussian", params={"cov": f"kind-{index}"})]
    pooled = [record for record in records if record.layer == "*"]
    assert len(pooled) == 33_000
    group = only_group(pooled)
    start = time.process_time()
    found = comparisons_of(group)
    for a in found.agreements:
        assert a.interval is None or a.interval[0] <= a.interval[1]
    assert time.process_time() - start < 2
