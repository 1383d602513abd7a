import math
import statistics
from dataclasses import dataclass, replace
from itertools import combinations

import pytest

from apcli.errors import ApcliError
from apcli.projections.caveats import PREDICTIVE, SAME_ORDER
from apcli.records.divergence import Difference, DivergenceRecord, File, Metrics, PerformanceDifference, TvBounds
from apcli.records.json_objects import Record
from apcli.stages.report.agreement import (
    FINAL,
    JUST_PRUNED,
    Cell,
    Pair,
    agreement,
    agreements,
    caveats,
    few,
    verdict,
)
from apcli.stages.report.experiment import Stat, build, stat
from apcli.stages.report.quantities import PD_LOSS, measures_of
from apcli.stages.report.ranking import LOWER, UNKNOWN, UNRESOLVED, rankings, sentences
from apcli.theory.statistics import kendall

(AP2,) = measures_of([DivergenceRecord(layer="*", dist="ap2", measure="ap2", estimator="exact")])
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


def variant(records, of="student-t", **changes):
    """Records of one distribution again, as if measured otherwise."""
    return [replace(r, **changes) for r in records if r.dist == of]


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
        return [r.value for r in records if (r.method, r.sparsity.requested) == ("random", 0.5)
                and (r.dist, r.layer, r.epoch) == ("student-t", "*", epoch)]  # fmt: skip

    for epoch, found in ((0, run.at(group.measures[2].key, 0)), (None, run.final(group.measures[2].key))):
        assert found == Stat(statistics.fmean(values(epoch)), statistics.stdev(values(epoch)), 2)
    assert stat([3.0]) == Stat(3.0, None, 1)
    assert stat([None, 1.0, 2.0]) == Stat(1.5, math.sqrt(0.5), 2)
    assert stat([None, None]) is None


def test_accuracies_of_the_three_states(make_grid):
    records = make_grid(seeds=(0,))
    run = only_group(records).runs[-1]
    final = next(r for r in records if (r.method, r.sparsity.requested, r.epoch) == ("highest", 0.8, None))
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


def test_two_laws_of_one_name_are_told_apart(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wider = [replace(r, params={**r.params, "df": 10}) for r in records if r.dist == "student-t"]
    labels = [m.label for m in only_group([*records, *wider]).measures]
    assert labels == ["AP2", "AP3 gaussian", "AP3 student-t (df=4)", "AP3 student-t (df=10)"]


STUDENT = {"df": 4, "cov": "identity", "scale": 1.0, "pruned_scale": "same", "groups": 0}
RENYI = {"measure": "renyi", "measure_params": {"alpha": 0.3}}
ON = {"data": "cifar10", "split": "test", "samples": 10}
DRAWS = {"samples": 100, "repeats": 1, "seed": 0}


@pytest.mark.parametrize(
    ("others", "labels"),
    [
        ([], ["AP3 student-t"]),
        ([RENYI], ["AP3 student-t", "AP3 student-t (renyi alpha=0.3)"]),
        ([RENYI, {**RENYI, "measure_params": {"alpha": 0.5}}],
         ["AP3 student-t", "AP3 student-t (renyi alpha=0.3)", "AP3 student-t (renyi alpha=0.5)"]),
        ([{"params": {**STUDENT, "cov": "ar1", "rho": 0.5}}, {"params": {**STUDENT, "cov": "ar1", "rho": 0.9}}],
         ["AP3 student-t (cov=identity)", "AP3 student-t (cov=ar1, rho=0.5)", "AP3 student-t (cov=ar1, rho=0.9)"]),
        ([{"params": {**STUDENT, "cov": "rows"}, "measure": "js", "estimator": "mc", "draws": DRAWS}],
         ["AP3 student-t (cov=identity)", "AP3 student-t (cov=rows, js)"]),
        ([{"estimator": "mc", "draws": DRAWS}, {"estimator": "mc", "draws": {**DRAWS, "samples": 200}}],
         ["AP3 student-t (exact)", "AP3 student-t (mc, draws samples=100)", "AP3 student-t (mc, draws samples=200)"]),
        ([{"evaluated": ON}, {"evaluated": {**ON, "split": "train"}}, {"params": {**STUDENT, "groups": 100}}],
         ["AP3 student-t", "AP3 student-t (data=cifar10, split=test)", "AP3 student-t (data=cifar10, split=train)",
          "AP3 student-t (groups=100)"]),
        ([{"dist": "predictive", "params": {}}, {"dist": "ap2", "measure": "ap2", "params": {}}],
         ["AP3 student-t", "AP3 predictive", "AP2"]),
    ],
)  # fmt: skip
def test_labels_name_what_tells_measures_apart(others, labels):
    plain = DivergenceRecord(layer="*", dist="student-t", params=STUDENT, measure="kl", estimator="exact")
    measures = measures_of([plain, *(replace(plain, **other) for other in others)])
    assert [m.label for m in measures] == labels
    assert len({m.key for m in measures}) == len(labels)


@pytest.mark.parametrize(
    ("measure", "unit"),
    [("reverse-kl", "nats"), ("renyi", "nats"), ("js", "nats"), ("tv", "total variation"), ("w2", "distance"),
     ("hellinger", "Hellinger distance"), ("ap2", "squared distance"), ("new", "new")],
)  # fmt: skip
def test_units(measure, unit):
    assert measures_of([DivergenceRecord(layer="*", dist="gaussian", measure=measure)])[0].unit == unit


def test_older_records_measure_the_same_as_newer_ones(make_grid):
    old = make_grid(seeds=(0,), epochs=0)
    mixed = [replace(r, params={**r.params, "pruned_scale": "same"}) if i % 2 else r for i, r in enumerate(old)]
    assert only_group(mixed).measures == only_group(old).measures
    assert [run.final(m.key) for run in only_group(mixed).runs for m in only_group(mixed).measures] == [
        run.final(m.key) for run in only_group(old).runs for m in only_group(old).measures
    ]


def test_layers_measured_otherwise_make_no_empty_column(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    drawn = [replace(r, estimator="mc", draws=DRAWS) if r.layer == "*" else r for r in records]
    assert len(only_group(drawn).measures) == 3
    assert all(run.final(m.key) for m in only_group(drawn).measures for run in only_group(drawn).runs)


def test_settings_of_a_measure():
    record = DivergenceRecord(
        layer="*", dist="gaussian", params={"cov": "fisher", "pruned_scale": "same"}, **RENYI, estimator="mc",
        draws=DRAWS, evaluated={"data": "cifar10", "split": "test", "samples": 500},
    )  # fmt: skip
    assert measures_of([record])[0].settings == [
        "gaussian", "cov=fisher", "renyi alpha=0.3", "mc, samples=100, repeats=1, seed=0", "cifar10, test, 500 samples",
    ]  # fmt: skip
    assert AP2.settings == ["ap2", "none", "ap2", "exact", "weights alone"]


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
    assert "lowest (other.safetensors)" in group.methods
    assert "not averaged" in group.notes[0]


def test_models_are_not_compared_with_each_other(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    groups = build([*records, *(replace(r, model="vgg16") for r in records)]).groups
    assert [group.title for group in groups] == ["resnet20 on cifar10", "vgg16 on cifar10"]
    assert [len(group.runs) for group in groups] == [12, 12]


def test_scope_is_part_of_a_method_where_scopes_differ(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wide = [replace(r, scope="global", pruned=File("g", "g")) for r in records if r.method == "lowest"]
    wide = [r for r in wide if r.sparsity.requested == 0.3]
    assert "lowest (global)" in only_group([*records, *wide]).methods


def test_files_without_lineage_make_one_run_each():
    record = DivergenceRecord(dist="ap2", measure="ap2", layer="w", value=2.0)
    records = [replace(record, pruned=File(f"{name}/w.safetensors", name)) for name in "ab"]
    group = only_group(records)
    assert [run.name for run in group.runs] == ["a/w.safetensors", "b/w.safetensors"]
    assert "No performance difference" in verdict(group, agreements(group))[0]
    assert only_group(records[:1]).runs[0].final(group.measures[0].key) == Stat(2.0, None, 1)


@dataclass(frozen=True)
class Other(Record):
    kind, version = "other", 1


def test_records_of_another_kind_are_left_out_in_one_line(records, caplog):
    assert build([Other(), *records, Other()]) == build(records)
    assert caplog.messages == ["2 records of kind other left out: the report has no section for them"]


def test_no_record_is_an_error():
    with pytest.raises(ApcliError, match="no divergence record"):
        build([])
    with pytest.raises(ApcliError, match="no divergence record"):
        build([Other()])


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


def test_interval_is_that_of_the_resampled_cells():
    aps, pds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [1, 3, 2, 4, 6, 5]
    cells = [cell(str(i), a, p) for i, (a, p) in enumerate(zip(aps, pds, strict=True))]
    found = agreement(cells, AP2, TEST_LOSS)
    assert found.interval == kendall.interval(kendall.bootstrap(aps, pds))
    assert found.interval[0] < found.tau < found.interval[1]
    assert found.words == f"0.73 [{found.interval[0]:.2f}, 1.00]".replace("-", "−")
    assert agreement(cells[:5], AP2, TEST_LOSS).interval is not None
    assert agreement(cells[:4], AP2, TEST_LOSS).interval is None


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
    records = []
    for record in make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)):
        order = ["lowest", "random", "highest"].index(record.method)
        swapped = {0: 1, 1: 0}.get(order, order) if record.sparsity.requested == 0.3 else order
        harm = swapped + 10 * record.sparsity.requested
        pd = PerformanceDifference(test=Difference(harm, harm))
        records.append(replace(record, pd=pd, metrics=Metrics(), value=order + 10 * record.sparsity.requested))
    group = only_group(records)
    text = " ".join(verdict(group, agreements(group)))
    assert "AP2, AP3 gaussian and AP3 student-t follow it" in text
    assert "train loss" not in text
    (overall, *_) = agreements(group)
    assert f"{overall.agree} of 15 pairs agree, 1 breaks it, {overall.tied} tied" in text
    assert (overall.agree, overall.tied) == (12, 2)
    assert "at 1 of 2 sparsities (0.1), broken at 0.3 by lowest / random" in text
    assert "one random order in 6" in text
    assert f"(Kendall’s τ = {overall.words}; " in text
    assert text.count("bootstrap interval") == 1


def test_verdict_of_too_little(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    one = only_group([r for r in records if r.method == "lowest" and r.sparsity.requested == 0.1])
    assert "one run" in verdict(one, agreements(one))[0]
    blind = only_group([replace(r, pd=PerformanceDifference()) for r in records])
    assert agreements(blind) == []
    assert "No performance difference" in verdict(blind, [])[0]


def test_caveats_follow_the_laws(records, make_grid):
    lines = caveats(build(records).groups)
    assert lines[0] == f"AP3 gaussian and AP3 student-t: each {SAME_ORDER}"
    assert len(lines) == 2
    diagonal = [replace(r, params={"cov": "diagonal"}) for r in records if r.dist == "gaussian"]
    assert len(caveats(build(diagonal).groups)) == 1
    assert "not proven" in caveats([])[0]
    grouped = [replace(r, params={**r.params, "groups": 100}) for r in records if r.dist == "student-t"]
    assert "grouped weights" in caveats(build(grouped).groups)[0]
    asked = [replace(r, dist="predictive", params={}) for r in records if r.dist == "gaussian"]
    assert caveats(build(asked).groups)[0] == f"AP3 predictive {PREDICTIVE}"


@pytest.fixture
def many(make_grid):
    """Twelve measures; one orders the runs as PD does, one the other way about, and one is known for a few runs."""
    records = []
    for r in make_grid(seeds=(0,), epochs=0):
        losses = (Difference(difference.loss, 1.0) for difference in (r.pd.test, r.pd.train))
        records.append(replace(r, pd=PerformanceDifference(*losses)))
    kept = [*records]
    for index, name in enumerate(["ar1", "diag", "rows", "full", "fisher", "activation"]):
        kept += [
            replace(r, value=r.value * (1 + (hash_of(r) + index) % 3))
            for r in variant(records, "gaussian", params={"cov": name})
        ]
    kept += variant(records, "gaussian", dist="laplace", params={})
    kept += [replace(r, value=r.pd.test.loss) for r in variant(records, dist="predictive", params={})]
    kept += [replace(r, value=1 / r.value) for r in variant(records, dist="cauchy", params={})]
    kept += [r for r in variant(records, dist="few", params={}) if r.method == "lowest"]
    return kept  # fmt: skip


def hash_of(record):
    return int(record.pruned.sha256[:6], 16)


def test_ranking_puts_the_best_first_and_says_what_is_not_resolved(many):
    group = only_group(many)
    made = rankings(agreements(group))
    assert [(r.moment, r.target) for r in made] == [(FINAL, PD_LOSS[0]), (FINAL, PD_LOSS[1])]
    (ranking, _) = made
    labels = [m.label for place in ranking.places for m in place.measures]
    assert sorted(labels) == sorted(m.label for m in group.measures if m.label != "AP3 few")
    taus = [place.agreement.tau for place in ranking.places]
    assert taus == sorted(taus, reverse=True)
    assert ranking.best.names == "AP3 predictive"
    assert ranking.places[-1].names == "AP3 cauchy"
    assert ranking.places[-1].verdict == LOWER
    assert ranking.places[-1].below[0] > 0
    alike = next(place for place in ranking.places if AP2.label in place.names)
    assert {"AP2", "AP3 student-t", "AP3 laplace"} <= {m.label for m in alike.measures}, "one order, one place"
    text = " ".join(sentences(group, made))
    assert text.startswith("In the files as they stand, AP3 predictive orders PD in test loss best (τ = 1.00 [1.00, 1")
    assert "several" in text


def test_a_difference_is_resolved_where_its_paired_interval_leaves_zero_out(many):
    for ranking in rankings(agreements(only_group(many))):
        best = ranking.best.agreement
        for place in ranking.places[1:]:
            both = [[(c.ap.mean, c.pd.mean) for c in a.compared] for a in (best, place.agreement)]
            taus = [kendall.bootstrap(*zip(*values, strict=True)) for values in both]
            low, high = kendall.interval(taus[0] - taus[1])
            assert place.below == (low, high)
            assert place.verdict == (LOWER if low > 0 else UNRESOLVED)
            assert place.difference == pytest.approx(best.tau - place.agreement.tau)


def test_few_runs_are_ranked_without_a_verdict(many):
    group = only_group([r for r in many if r.sparsity.requested == 0.1])
    made = rankings(agreements(group))
    assert made
    assert {place.verdict for ranking in made for place in ranking.places} == {UNKNOWN}
    assert "3 runs are too few to say" in sentences(group, made)[0]


def test_measures_of_one_order_are_not_ranked(make_grid):
    assert rankings(agreements(only_group(make_grid(seeds=(0,), epochs=0)))) == []


def test_verdict_of_many_measures_stays_short(many):
    group = only_group(many)
    lines = verdict(group, agreements(group))
    assert max(map(len, lines)) < 600
    assert any("measures stand between" in line for line in lines)
    assert any("the order of PD is kept at 4 of 4 sparsities by" in line for line in lines)
    assert few(["a", "b", "c", "d"]) == "a, b, c and d"
    assert few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 others"
