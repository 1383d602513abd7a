"""The section on cost: shares and ratios of what checkpoints say."""

from dataclasses import replace

import pytest
from studies import described

from apcli.records.checkpoint import LatencyFacts, MacsFacts
from apcli.stages.report.evidence.cost import cost
from apcli.stages.report.runs.experiment import build

MACS = MacsFacts((3, 32, 32), dense=2000, nonzero=500, without_weights=0, dense_file=2000, theoretical_speedup=4.0)
TIME = LatencyFacts(
    0.25, 0.2, 0.3, 10, 3, 8, (3, 32, 32), "cpu", None, 2, "float32", None, 2.0, "zeros are multiplied too"
)


@pytest.fixture
def records(make_grid):
    return [r for r in make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,)) if r.method == "lowest"]


def section(records, **facts):
    files = {(r.pruned.path, r.pruned.sha256) for r in records}
    report = build([*records, *(described(path, sha256, kept=250, **facts) for path, sha256 in files)])
    return cost(report, report.groups[0])


def test_costs_are_shares_of_the_dense_file(records):
    (table,) = section(records, macs=MACS, latency=TIME).tables
    numbers = {heading: cells[0] for column in table.columns for heading, cells in column.numbers()}
    assert numbers["parameters, left, %"] == 25.0
    assert numbers["parameters, compression, ×"] == 4.0
    assert (numbers["MACs, left, %"], numbers["MACs, fewer, ×"]) == (25.0, 4.0)
    assert numbers["bytes, left, %"] == pytest.approx(102.5)
    assert (numbers["time, median, ms"], numbers["time, faster, ×"]) == (250.0, 2.0)


def test_parameters_of_a_compact_file_are_shares_of_the_dense_networks(records):
    (table,) = section(records, parameters=250, dense_parameters=1000).tables
    numbers = {heading: cells[0] for column in table.columns for heading, cells in column.numbers()}
    assert (numbers["parameters, left, %"], numbers["parameters, compression, ×"]) == (25.0, 4.0)
    (table,) = section(records, parameters=250, dense_parameters=None).tables
    assert "parameters, compression, ×" not in {column.heading for column in table.columns}, "not known"


def test_sentences_say_what_was_counted_and_measured(records):
    assert any("3×32×32" in line for line in section(records, macs=MACS).sentences)
    assert any("No time was measured" in line for line in section(records).sentences)
    timed = section(records, latency=TIME).sentences
    assert "Times are medians of 10 runs on cpu, 8 images at a time; zeros are multiplied too." in timed


def test_without_files_there_is_no_section(records):
    report = build(records)
    assert cost(report, replace(report.groups[0])) is None
