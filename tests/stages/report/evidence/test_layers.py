"""The section on layers: every layer of every run, if several were compared."""

from dataclasses import replace

import pytest
from studies import variant

from apcli.stages.report.evidence.layers import layers
from apcli.stages.report.runs.experiment import build


def section(records):
    report = build(records)
    return layers(report, report.groups[0])


def test_layers_have_their_share_and_their_measures(make_grid):
    records = [r for r in variant(make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,)), "ap2") if r.method == "lowest"]
    conv = [replace(r, layer="conv", value=3 * r.value) for r in records if r.layer == "fc"]
    (table,) = section([*records, *conv]).details
    found = {column.heading: column.cells for column in table.columns}
    assert found["layer"] == ("fc", "conv")
    mean = sum(r.value for r in conv) / 2
    assert found["AP2, squared distance"] == pytest.approx((mean / 3, mean))
    assert found["files"] == (2, 2)


def test_groups_of_a_layer_are_told_from_those_of_the_network(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.5,))
    both = [*records, *(replace(r, layer="conv") for r in records if r.layer == "fc")]
    assert section(both).sentences == ()
    grouped = variant(both, "student-t", params={"groups": 100})
    (sentence,) = section(grouped).sentences
    assert sentence.startswith("AP3 student-t groups=100: a single layer is averaged in as many groups as the whole ")


def test_one_layer_needs_no_section(small):
    assert section(small) is None
