"""Chance: how much of it there is, by the classes of the data, and what is told from it."""

from dataclasses import replace

import pytest
from studies import only_group, relineaged, with_files

from apcli.stages.report.answers.chance import chance_level, is_chance


def level(records):
    return chance_level(only_group(records).runs)


def with_classes(records, classes):
    def changed(file):
        return {**file.lineage, "data": {**file.lineage["data"], "classes": classes(file)}}

    files = with_files(records)
    described = relineaged([r for r in files if r.kind == "checkpoint"], changed)
    return [*(r for r in files if r.kind != "checkpoint"), *described]


@pytest.mark.parametrize(
    ("classes", "percent"), [(10, 10.0), (2, 50.0), (1000, 0.1), (1, None), (0, None), ("x", None)]
)
def test_the_level_is_that_of_guessing_one_of_the_classes(small, classes, percent):
    assert level(with_classes(small, lambda _: classes)) == percent


def test_without_a_lineage_or_with_several_data_sets_it_is_not_known(small):
    assert level(small) is None
    assert level(with_classes(small, lambda file: 10 + ("seed1" in file.path))) is None
    assert level([replace(r, lineage=None) if r.kind == "checkpoint" else r for r in with_files(small)]) is None


@pytest.mark.parametrize(
    ("accuracy", "of", "near"),
    [(12.9, 10.0, True), (7.1, 10.0, True), (13.1, 10.0, False), (1.4, 1.0, True), (2.0, 1.0, False), (53.1, 50, False),
     (None, 10.0, False), (10.0, None, False)],
)  # fmt: skip
def test_what_is_about_chance(accuracy, of, near):
    assert is_chance(accuracy, of) is near
