import math
import statistics
from itertools import combinations

import pytest

from apcli.errors import ApcliError
from apcli.operations.report import PD_LOSS, Quantity, Stat, build, stat
from apcli.operations.report_order import (
    FINAL,
    JUST_PRUNED,
    Cell,
    Pair,
    agreement,
    agreements,
    caveats,
    verdict,
)
from apcli.theory.caveats import SAME_ORDER

AP2 = Quantity(("ap", "ap2", "ap2", "exact", "{}"), "AP2", "squared distance")
TEST_LOSS = PD_LOSS[0]


def only_group(records):
    (group,) = build(records).groups
    return group


def cell(name, ap, pd, sd=None):
    return Cell(name, Stat(ap, None, 1), Stat(pd, sd, 1))


def tau_b(xs, ys):
    """From the definition, by counting all pairs."""
    signs = [(math.copysign(a != b, a - b), math.copysign(c != d, c - d))
             for (a, c), (b, d) in combinations(zip(xs, ys, strict=True), 2)]  # fmt: skip
    numerator = sum(x * y for x, y in signs)
    return numerator / math.sqrt(sum(x != 0 for x, _ in signs) * sum(y != 0 for _, y in signs))


def test_runs_gather_seeds(records):
    group = only_group(records)
    assert (group.model, group.data) == ("resnet20", "cifar10")
    assert len(group.runs) == 12
    assert all([t.seed for t in run.trials] == [0, 1] for run in group.runs)
    assert [run.name for run in group.runs[:2]] == ["lowest at 0.1", "lowest at 0.3"]
    assert [m.label for m in group.measures] == ["AP2", "AP3 gaussian", "AP3 student-t"]
    assert group.runs[0].epochs == [0, 1, 2, 3, 4, 5]


def test_mean_and_sd_are_those_of_the_pooled_records(records):
    group = only_group(records)
    run = next(run for run in group.runs if run.name == "random at 0.5")

    def values(epoch):
        return [r["value"] for r in records if (r["method"], r["sparsity"]["requested"]) == ("random", 0.5)
                and (r["dist"], r["layer"], r["epoch"]) == ("student-t", "*", epoch)]  # fmt: skip

    for epoch, found in ((0, run.at(group.measures[2].key, 0)), (None, run.final(group.measures[2].key))):
        assert found == Stat(statistics.fmean(values(epoch)), statistics.stdev(values(epoch)), 2)
    assert stat([3.0]) == Stat(3.0, None, 1)
    assert stat([None, 1.0, 2.0]) == Stat(1.5, math.sqrt(0.5), 2)
    assert stat([None, None]) is None


def test_accuracies_of_the_three_states(make_grid):
    records = make_grid(seeds=(0,))
    run = only_group(records).runs[-1]
    final = next(r for r in records if (r["method"], r["sparsity"]["requested"], r["epoch"]) == ("highest", 0.8, None))
    for state in ("dense", "before", "pruned"):
        assert run.accuracy(state).mean == final["metrics"][state]["test"]["accuracy"]
    for record in records:
        record["metrics"]["before"] = None
    assert only_group(records).runs[-1].accuracy("before") == run.accuracy("before"), "taken from epoch 0 of the trace"


def test_without_a_record_of_the_file_the_last_epoch_is_final(make_grid):
    records = make_grid(seeds=(0,))
    traced = only_group([r for r in records if r["epoch"] is not None])
    assert traced.runs[3].final(TEST_LOSS.key) == only_group(records).runs[3].at(TEST_LOSS.key, 5)


def test_the_only_layer_stands_for_the_network_and_several_do_not(make_grid):
    fc = [r for r in make_grid(seeds=(0,)) if r["layer"] == "fc"]
    assert only_group(fc).runs[0].final(AP2.key) is not None
    group = only_group([*fc, *({**r, "layer": "conv1"} for r in fc)])
    assert group.runs[0].final(AP2.key) is None
    assert group.runs[0].final(TEST_LOSS.key) is not None
    assert "no pooled record" in group.notes[0]


def test_two_laws_of_one_name_are_told_apart(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wider = [{**r, "params": {**r["params"], "df": 10}} for r in records if r["dist"] == "student-t"]
    labels = [m.label for m in only_group([*records, *wider]).measures]
    assert labels == ["AP2", "AP3 gaussian", "AP3 student-t (df=4)", "AP3 student-t (df=10)"]


def test_files_of_one_seed_are_shown_apart(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    other = [{**r, "pruned": {"path": "other.safetensors", "sha256": "f" + r["pruned"]["sha256"]}} for r in records]
    group = only_group([*records, *other])
    assert len(group.runs) == 24
    assert all(len(run.trials) == 1 for run in group.runs)
    assert "lowest (other.safetensors)" in group.methods
    assert "not averaged" in group.notes[0]


def test_models_are_not_compared_with_each_other(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    groups = build([*records, *({**r, "model": "vgg16"} for r in records)]).groups
    assert [group.title for group in groups] == ["resnet20 on cifar10", "vgg16 on cifar10"]
    assert [len(group.runs) for group in groups] == [12, 12]


def test_scope_is_part_of_a_method_where_scopes_differ(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wide = [
        {**r, "scope": "global", "pruned": {"path": "g", "sha256": "g"}} for r in records if r["method"] == "lowest"
    ]
    wide = [r for r in wide if r["sparsity"]["requested"] == 0.3]
    assert "lowest, global" in only_group([*records, *wide]).methods


def test_files_without_lineage_make_one_run_each():
    record = {"kind": "divergence", "version": 1, "dist": "ap2", "measure": "ap2", "layer": "w", "value": 2.0}
    nulls = dict.fromkeys(("model", "data", "seed", "method", "scope", "sparsity", "pd", "metrics", "epoch", "params"))
    records = [{**nulls, **record, "pruned": {"path": f"{name}/w.safetensors", "sha256": name}} for name in "ab"]
    group = only_group(records)
    assert [run.name for run in group.runs] == ["a/w.safetensors", "b/w.safetensors"]
    assert "No performance difference" in verdict(group, agreements(group))[0]
    assert only_group(records[:1]).runs[0].final(group.measures[0].key) == Stat(2.0, None, 1)


def test_no_record_is_an_error():
    with pytest.raises(ApcliError, match="no divergence record"):
        build([])
    with pytest.raises(ApcliError, match="no divergence record"):
        build([{"kind": "bounds"}])


@pytest.mark.parametrize("pds", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (1, 3, 2, 5, 4), (2, 2, 1, 3, 3)])
def test_tau_and_pairs_against_counting(pds):
    aps = (0.1, 0.2, 0.2, 0.4, 0.5)
    found = agreement([cell(str(i), a, p) for i, (a, p) in enumerate(zip(aps, pds, strict=True))], AP2, TEST_LOSS)
    pairs = list(combinations(range(5), 2))
    assert found.tau == pytest.approx(tau_b(aps, pds))
    assert found.agree == sum((aps[i] - aps[j]) * (pds[i] - pds[j]) > 0 for i, j in pairs)
    broken = {frozenset((i, j)) for i, j in pairs if (aps[i] - aps[j]) * (pds[i] - pds[j]) < 0}
    assert {frozenset((int(p.low.name), int(p.high.name))) for p in found.broken} == broken
    assert all(p.low.ap.mean < p.high.ap.mean and p.low.pd.mean > p.high.pd.mean for p in found.broken)
    assert found.agree + found.tied + len(found.broken) == found.pairs == 10


def test_tau_of_equal_values_is_not_known():
    assert agreement([cell("a", 1, 2), cell("b", 1, 3)], AP2, TEST_LOSS).tau is None


def test_spread_of_a_broken_pair():
    assert Pair(cell("a", 1, 3.0, sd=1.5), cell("b", 2, 1.0, sd=1.5)).within_spread is True
    assert Pair(cell("a", 1, 3.0, sd=1.0), cell("b", 2, 1.0, sd=1.0)).within_spread is False
    assert Pair(cell("a", 1, 3.0), cell("b", 2, 1.0, sd=1.0)).within_spread is None


def test_agreements_cover_moments_targets_and_sparsities(records):
    group = only_group(records)
    found = agreements(group)
    assert len(found) == 2 * 2 * 5 * 3
    assert {a.moment for a in found} == {FINAL, JUST_PRUNED}
    overall = next(a for a in found if a.sparsity is None and a.measure.label == "AP2")
    xs, ys = ([run.final(key).mean for run in group.runs] for key in (group.measures[0].key, TEST_LOSS.key))
    assert overall.tau == pytest.approx(tau_b(xs, ys))
    assert {a.cells for a in found if a.sparsity is not None} == {3}


def test_verdict_names_numbers_and_exceptions(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3))
    for record in records:
        order = ["lowest", "random", "highest"].index(record["method"])
        swapped = {0: 1, 1: 0}.get(order, order) if record["sparsity"]["requested"] == 0.3 else order
        harm = swapped + 10 * record["sparsity"]["requested"]
        record["pd"] = {"test": {"loss": harm, "accuracy": harm}, "train": None}
        record["metrics"] = None
        record["value"] = order + 10 * record["sparsity"]["requested"]
    group = only_group(records)
    text = " ".join(verdict(group, agreements(group)))
    assert "AP2, AP3 gaussian and AP3 student-t follow it" in text
    assert "train loss" not in text
    (overall, *_) = agreements(group)
    assert f"{overall.agree} of 15 pairs agree, 1 breaks it, {overall.tied} tied" in text
    assert (overall.agree, overall.tied) == (12, 2)
    assert "at 1 of 2 sparsities (0.1), broken at 0.3 by lowest / random" in text
    assert "one random order in 6" in text


def test_verdict_of_too_little(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    one = only_group([r for r in records if r["method"] == "lowest" and r["sparsity"]["requested"] == 0.1])
    assert "one run" in verdict(one, agreements(one))[0]
    blind = only_group([{**r, "pd": None} for r in records])
    assert agreements(blind) == []
    assert "No performance difference" in verdict(blind, [])[0]


def test_caveats_follow_the_laws(records, make_grid):
    lines = caveats(build(records).groups)
    assert sum(SAME_ORDER in line for line in lines) == 2
    diagonal = [{**r, "params": {"cov": "diagonal"}} for r in records if r["dist"] == "gaussian"]
    assert len(caveats(build(diagonal).groups)) == 1
    assert "not proven" in caveats([])[0]
    grouped = [{**r, "params": {**r["params"], "groups": 100}} for r in records if r["dist"] == "student-t"]
    assert "grouped weights" in caveats(build(grouped).groups)[0]
