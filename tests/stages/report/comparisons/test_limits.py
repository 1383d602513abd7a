"""The limits of a network: one for each dense file, whatever was pruned from it."""

from dataclasses import replace

import pytest
from studies import bound_record, limit_records, only_group

from apcli.stages.report.comparisons.limits import is_past, limits_of
from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED


def test_pruned_files_of_one_network_have_one_set_of_limits():
    (one,) = limits_of(only_group([*limit_records(), bound_record(), *limit_records(file="b")]))
    assert (one.name, one.eps, one.threshold) == ("dense.safetensors", 0.02, 1e-3)
    assert one.sparsities == {"published limit": 0.75, "one-shot": 0.25}
    assert [point.sparsity for point in one.curve] == [0.75, 0.25]
    assert one.spectrum.values == (1e-4, 2.0)


def test_other_networks_layers_and_parameters_are_apart():
    other = limit_records(dense="other")
    fewer = limit_records(file="b", **{"one-shot": 0.5})
    assert len(limits_of(only_group([*limit_records(), *other, *fewer]))) == 3
    strict = [replace(record, params={"eps": "abs-0.1"}) for record in limit_records()]
    first, second = limits_of(only_group([*limit_records(), *strict]))
    assert (first.name, second.name) == ("dense.safetensors", "dense.safetensors, eps abs-0.1")


def test_without_such_records_there_is_none():
    assert limits_of(only_group([bound_record()])) == ()


@pytest.mark.parametrize(
    ("sparsity", "moment", "past"),
    [(0.1, JUST_PRUNED, False), (0.5, JUST_PRUNED, True), (0.5, FINAL, False), (0.8, FINAL, True), (0.8, 1, True)],
)
def test_a_run_is_past_the_limit_of_its_dense_networks(make_grid, sparsity, moment, past):
    """Right after pruning, past what one-shot pruning allows (0.25); later, past what any statement allows (0.75)."""
    records = make_grid(seeds=(0, 1), epochs=1, sparsities=(sparsity,))
    group = only_group([*records, *limit_records(dense=f"{0:064x}")])
    limits = {one.network: one for one in limits_of(group)}
    assert is_past(group.runs[0], limits, moment) is past
    assert is_past(group.runs[0], {}, moment) is None


def test_without_a_measured_limit_nothing_is_past_it_right_after_pruning(make_grid):
    predicted = [one for one in limit_records(dense=f"{0:064x}") if one.bound.statement == "published limit"]
    group = only_group([*make_grid(seeds=(0,), epochs=1, sparsities=(0.8,)), *predicted])
    limits = {one.network: one for one in limits_of(group)}
    assert is_past(group.runs[0], limits, JUST_PRUNED) is None
    assert is_past(group.runs[0], limits, FINAL) is True
