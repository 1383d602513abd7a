"""How budgets were shared, as figures draw it."""

from dataclasses import replace

import pytest
from studies import bound_record, only_group, with_allocations, with_files

from apcli.figures.study import LayerValues
from apcli.records.pair import File
from apcli.stages.report.drawing.widths import dependence_by_epoch_of, dependences_of, widths_of


@pytest.fixture(scope="module")
def records(make_grid):
    return [r for r in make_grid(seeds=(0, 1), epochs=0, sparsities=(0.3, 0.5)) if r.method == "lowest"]


def test_the_share_and_the_importance_of_each_unit(records):
    found = widths_of(only_group(with_allocations(records)))
    method = "lowest (filter, itpruner, macs budget)"
    assert found[:2] == (
        LayerValues(method, 0.3, "conv", {"kept share": 0.5, "importance": 1.0}),
        LayerValues(method, 0.3, "fc", {"kept share": 0.25, "importance": 0.4}),
    )
    assert len(found) == 4
    assert widths_of(only_group(with_allocations(records, evidence=False)))[0].values == {"kept share": 0.5}


def test_equal_maps_are_drawn_once(records):
    (one,) = dependences_of(only_group(with_allocations(records)))
    assert one.title == "itpruner, 256 images"
    assert one.names == ("conv", "fc", "input", "labels")
    assert one.values[1] == (0.5, 1.0, 0.4, 0.6)
    assert dependences_of(only_group(with_files(records))) == ()


def test_nhsic_by_epoch_is_that_of_traced_networks():
    records = [
        replace(
            bound_record(f"nHSIC with the {target}, pruned", 1.0, layer=layer, measured=0.1 * e, file=file), epoch=e
        )
        for file in ("a", "b")
        for target in ("images", "labels")
        for layer in ("conv", "fc")
        for e in (2, 0, 1)
    ]
    other = [bound_record("nHSIC with the images, dense", 1.0), bound_record("corollary 1")]
    found = dependence_by_epoch_of(only_group([*records, *other]))
    assert [(one.title, one.target) for one in found] == [
        ("a", "images"),
        ("a", "labels"),
        ("b", "images"),
        ("b", "labels"),
    ]
    assert found[0].curves["fc"] == ((0, 0.0), (1, 0.1), (2, 0.2))


def test_files_of_one_name_have_curves_of_their_own():
    def traced(folder, level):
        file = File(f"{folder}/a.safetensors", folder * 8)
        record = bound_record("nHSIC with the images, pruned", 1.0, layer="fc")
        bounds = (replace(record.bound, measured=level + epoch) for epoch in range(2))
        return [replace(record, pruned=file, epoch=epoch, bound=bound) for epoch, bound in enumerate(bounds)]

    found = dependence_by_epoch_of(only_group([*traced("x", 0.0), *traced("y", 0.5)]))
    assert {one.title: one.curves for one in found} == {
        "x/a.safetensors": {"fc": ((0, 0.0), (1, 1.0))},
        "y/a.safetensors": {"fc": ((0, 0.5), (1, 1.5))},
    }
