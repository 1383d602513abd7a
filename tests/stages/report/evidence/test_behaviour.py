"""The section of behaviour: its tables and images."""

import pytest
from behaviours import EXEMPLARS, OVERLAP, RECORD, behaviours_of
from studies import only_group

from apcli.stages.report.evidence.behaviour import behaviour
from apcli.stages.report.runs.experiment import build


def section(records):
    report = build(records)
    return behaviour(report, report.groups[0])


@pytest.fixture(scope="module")
def made(make_grid):
    records = make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1, 0.5))
    return section([*records, *behaviours_of(records, ["noise"])])


def cells(table):
    return {column.heading: column.cells for column in table.columns}


def test_tables_about_runs_and_what_orders_them(made):
    assert [table.name for table in made.tables] == ["behaviour", "behaviour-order"]
    assert [table.name for table in made.details] == ["behaviour-classes", "behaviour-shifts"]
    overall, order = map(cells, made.tables)
    assert len(overall["method"]) == 6
    assert overall["images, both predict one class, %"][0] == pytest.approx(100 - overall["images, turn wrong, %"][0])
    assert set(overall["class that loses most, name"]) == {"cat"}
    assert set(overall["CKA of the layers, least"]) == {0.9}
    assert "images that turn wrong" in order["orders"]
    assert set(order["dense networks"]) == {2}


def test_classes_and_shifts(made):
    classes, shifts = map(cells, made.details)
    assert classes["class"][:2] == ("cat", "4"), "what loses most is first"
    assert classes["files in which it changes"][:2] == (2, 0)
    assert shifts["shift"] == ("no shift", "noise") * 3
    highest = [at for at, method in enumerate(shifts["method"]) if method.startswith("highest")]
    assert all(shifts["prune potential"][at] == 0 for at in highest)
    below = [name for name in shifts if name.startswith("accuracy below")]
    assert len(below) == 2
    assert all(shifts[name][1] > shifts[name][0] for name in below)


def test_records_without_runs_have_exemplars_overlaps_and_intervals_of_classes():
    made = section([RECORD, EXEMPLARS, OVERLAP])
    overall, *others = map(cells, (*made.tables, *made.details))
    assert overall["method"] == ("lowest (layer)",)
    classes, exemplars, overlaps = others
    assert classes["change of, accuracy, pp"] == (-10.0,)
    (changes,) = (column for column in made.details[0].columns if column.interval)
    assert changes.interval == ((-40.0, 20.0),)
    assert (exemplars["images, wrong in most pruned networks"], exemplars["networks, pruned"]) == ((1,), (5,))
    assert (overlaps["methods"], overlaps["Jaccard, by chance"]) == (("b and c",), (1 / 3,))
    assert [(one.png, one.caption) for one in made.images] == [
        ("iVBORw0KGgo=", "cat: wrong in 4 of 5 networks, mostly as 5")
    ]
    assert made.images_are == "Images that dense networks get right and most of 5 pruned ones at sparsity 0.5 wrong."


def test_other_records_have_no_such_section(small):
    report = build(small)
    assert behaviour(report, report.groups[0]) is None
    assert section([OVERLAP]).tables == ()
    assert only_group([OVERLAP]).runs == ()
