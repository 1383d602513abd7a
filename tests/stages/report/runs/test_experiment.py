"""Records become trials, runs and groups: who belongs together, and the mean and spread of each."""

import math
import statistics
from dataclasses import dataclass, replace

import pytest
from studies import bound_record, only_group

from apcli.errors import ApcliError
from apcli.records.divergence import DivergenceRecord, TvBounds
from apcli.records.json_objects import Record
from apcli.records.pair import File
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.runs.experiment import Stat, build, stat
from apcli.stages.report.runs.quantities import PD_LOSS, measures_of

(AP2,) = measures_of([DivergenceRecord(layer="*", dist="ap2", measure="ap2", estimator="exact")])
TEST_LOSS = PD_LOSS[0]


def held(group):
    """What a group is made of: groups and runs themselves are equal only if they are the same."""
    return group.title, group.measures, [(run.name, run.requested, run.trials) for run in group.runs]


def test_runs_gather_seeds(records):
    group = only_group(records)
    assert (group.model, group.data) == ("resnet20", "cifar10")
    assert len(group.runs) == 12
    assert all([t.seed for t in run.trials] == [0, 1] for run in group.runs)
    assert [run.name for run in group.runs[:2]] == ["lowest (layer) at 0.1", "lowest (layer) at 0.3"]
    assert [m.label for m in group.measures] == ["AP2", "AP3 gaussian", "AP3 student-t"]
    assert group.runs[0].epochs == [0, 1, 2, 3, 4, 5]


def test_mean_and_sd_are_those_of_the_pooled_records(records):
    group = only_group(records)
    run = next(run for run in group.runs if run.name == "random (layer) at 0.5")

    def values(epoch):
        return [r.value for r in records if (r.method, r.sparsity.requested) == ("random", 0.5)
                and (r.dist, r.layer, r.epoch) == ("student-t", "*", epoch)]  # fmt: skip

    for epoch, found in ((0, run.at(group.measures[2].key, 0)), (None, run.final(group.measures[2].key))):
        assert (found.mean, found.n) == (statistics.fmean(values(epoch)), 2)
        assert found.sd == pytest.approx(statistics.stdev(values(epoch)), rel=1e-12)
    assert stat([3.0]) == Stat(3.0, None, 1)
    assert stat([None, 1.0, 2.0]) == Stat(1.5, math.sqrt(0.5), 2)
    assert stat([None, None]) is None


def test_accuracies_of_the_three_states(make_grid):
    records = make_grid(seeds=(0,))
    run = only_group(records).runs[-1]
    final = next(r for r in records if (r.method, r.sparsity.requested, r.epoch) == ("random", 0.8, None))
    for state in ("dense", "before", "pruned"):
        assert run.accuracy(state).mean == getattr(final.metrics, state).test.accuracy
    later = [replace(r, metrics=replace(r.metrics, before=None)) for r in records]
    assert only_group(later).runs[-1].accuracy("before") == run.accuracy("before"), "taken from epoch 0 of the trace"


def test_without_a_record_of_the_file_the_last_epoch_is_final(make_grid):
    records = make_grid(seeds=(0,))
    traced = only_group([r for r in records if r.epoch is not None])
    assert traced.runs[3].final(TEST_LOSS.key) == only_group(records).runs[3].at(TEST_LOSS.key, 5)


def test_the_only_layer_stands_for_the_network_and_several_do_not(make_grid):
    fc = [r for r in make_grid(seeds=(0,)) if r.layer == "fc"]
    assert only_group(fc).runs[0].final(AP2.key) is not None
    group = only_group([*fc, *(replace(r, layer="conv1") for r in fc)])
    assert group.runs[0].final(AP2.key) is None
    assert group.runs[0].final(TEST_LOSS.key) is not None
    assert "no pooled record" in group.notes[0]


def of_filters(records, count=3):
    """The records of single filters of ``fc`` beside pooled ones: other values, of other zeros."""
    apart = {"layer": "fc", "value": 7e7, "std_error": 0.5}
    return [
        replace(r, **apart, filter=number, sparsity=replace(r.sparsity, actual=0.9))
        for r in records
        if r.layer == "*"
        for number in range(count)
    ]


def test_filters_are_left_out_and_said(make_grid):
    records = make_grid(seeds=(0, 1), epochs=1, sparsities=(0.1, 0.3))
    filters = of_filters(records)
    note = f"{len(filters)} records of single filters (fc) are not shown here: --format csv has them"
    for given in ([*records, *filters], [*filters, *records]):
        report = build(given)
        (group,) = report.groups
        assert held(group) == held(only_group(records))
        assert group.notes == (note,)
        assert report.records == tuple(given)


def test_filters_alone_have_no_ap_but_pd(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3))
    group, whole = only_group(of_filters(records)), only_group(records)
    assert [run.name for run in group.runs] == [run.name for run in whole.runs]
    assert group.measures == ()
    for run, other in zip(group.runs, whole.runs, strict=True):
        assert run.final(TEST_LOSS.key) == other.final(TEST_LOSS.key)
        assert (run.actual, run.trials[0].layers) == (None, ())
    assert "single filters and no pooled record" in group.notes[0]


def test_standard_errors_belong_to_their_values(make_grid):
    records = [
        replace(r, std_error=0.1 + r.seed + (10 if r.epoch == 0 else 0)) if r.dist == "student-t" else r
        for r in make_grid(seeds=(0, 1), epochs=1, sparsities=(0.1,))
    ]
    run = only_group(records).runs[0]
    ap2, _, student = only_group(records).measures
    assert run.final(ap2.key).error is None
    assert run.final(student.key).error == pytest.approx(0.6), "not divided by sqrt(2): seeds share draws and data"
    assert run.at(student.key, 0).error == pytest.approx(10.6)
    assert stat([1.0, None, 3.0], [0.2, 5.0, None]) == Stat(2.0, math.sqrt(2), 2, 0.1)


def test_bounds_on_total_variation_are_the_best_known(make_grid):
    records = []
    for r in make_grid(seeds=(0, 1), epochs=0, sparsities=(0.1,)):
        gaussian, student = TvBounds(0.1, 0.2 + 0.2 * r.seed, 1.0, 0.9), TvBounds(None, None, 0.5, 0.6)
        records.append(replace(r, tv_bounds={"gaussian": gaussian, "student-t": student}.get(r.dist)))
    run = only_group(records).runs[0]
    ap2, gaussian, student = only_group(records).measures
    assert run.tv_bounds(ap2.key) == (None, None)
    assert [bound.mean for bound in run.tv_bounds(gaussian.key)] == pytest.approx([0.3, 0.9])
    assert (run.tv_bounds(student.key)[0], run.tv_bounds(student.key)[1].mean) == (None, 0.5)


def test_files_of_one_seed_are_shown_apart(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    other = [replace(r, pruned=File("other.safetensors", f"f{r.pruned.sha256}")) for r in records]
    group = only_group([*records, *other])
    assert len(group.runs) == 24
    assert all(len(run.trials) == 1 for run in group.runs)
    assert "lowest (layer, other.safetensors)" in group.methods
    assert "not averaged" in group.notes[0]


def test_models_are_not_compared_with_each_other(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    groups = build([*records, *(replace(r, model="vgg16") for r in records)]).groups
    assert [group.title for group in groups] == ["resnet20 on cifar10", "vgg16 on cifar10"]
    assert [len(group.runs) for group in groups] == [12, 12]


def test_scope_is_part_of_a_method(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wide = [replace(r, scope="global", pruned=File("g", "g")) for r in records if r.method == "lowest"]
    wide = [r for r in wide if r.sparsity.requested == 0.3]
    assert "lowest (global)" in only_group([*records, *wide]).methods


def test_files_without_lineage_make_one_run_each():
    record = DivergenceRecord(dist="ap2", measure="ap2", layer="w", value=2.0)
    records = [replace(record, pruned=File(f"{name}/w.safetensors", name)) for name in "ab"]
    group = only_group(records)
    assert [run.name for run in group.runs] == ["a/w.safetensors", "b/w.safetensors"]
    assert agreements_of(group) == ()
    assert only_group(records[:1]).runs[0].final(group.measures[0].key) == Stat(2.0, None, 1)


@dataclass(frozen=True)
class Other(Record):
    kind, version = "other", 1


def test_records_of_another_kind_change_no_run(records):
    report = build([Other(), *records, Other()])
    assert [held(group) for group in report.groups] == [held(group) for group in build(records).groups]
    assert len(report.given) == len(report.records) + 2


def test_a_bound_that_is_given_twice_counts_once():
    one, moved = bound_record(), replace(bound_record(), dense=replace(bound_record().dense, path="elsewhere"))
    assert build([one, bound_record("other"), moved]).bounds == [moved, bound_record("other")]


def test_no_record_is_an_error():
    with pytest.raises(ApcliError, match="no divergence record"):
        build([])
    with pytest.raises(ApcliError, match="no divergence record"):
        build([Other()])


def test_the_order_of_records_changes_no_order_of_runs(small):
    runs = [(run.method, run.sparsity) for run in only_group(small).runs]
    assert [(run.method, run.sparsity) for run in only_group(small[::-1]).runs] == runs
    assert [method.split()[0] for method, _ in runs] == ["lowest"] * 2 + ["highest"] * 2 + ["random"] * 2
