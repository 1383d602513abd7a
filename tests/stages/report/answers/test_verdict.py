"""The sentences about the order of AP and PD."""

from dataclasses import replace

from studies import only_group

from apcli.projections import PREDICTIVE
from apcli.projections.caveats import SAME_ORDER
from apcli.records.divergence import Difference, Metrics, PerformanceDifference
from apcli.stages.report.answers.verdict import caveats, verdict
from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.runs.experiment import build
from apcli.words import few


def test_verdict_names_numbers_and_exceptions(make_grid):
    records = []
    for record in make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)):
        order = ["lowest", "random", "highest"].index(record.method)
        swapped = {0: 1, 1: 0}.get(order, order) if record.sparsity.requested == 0.3 else order
        harm = swapped + 10 * record.sparsity.requested
        pd = PerformanceDifference(test=Difference(harm, harm))
        records.append(replace(record, pd=pd, metrics=Metrics(), value=order + 10 * record.sparsity.requested))
    group = only_group(records)
    text = " ".join(verdict(group, agreements_of(group)))
    assert "AP2, AP3 gaussian and AP3 student-t follow it" in text
    assert "train loss" not in text
    (overall, *_) = agreements_of(group)
    assert f"{overall.agree} of 15 pairs agree, 1 breaks it, {overall.tied} tied" in text
    assert (overall.agree, overall.tied) == (12, 2)
    assert "at 1 of 2 sparsities (0.1), broken at 0.3 by lowest (layer) / random (layer)" in text
    assert "one random order in 6" in text
    assert f"(Kendall’s τ = {overall.words}; " in text
    assert text.count("No interval: runs of 1 dense network") == 1


def test_verdict_of_too_little(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    one = only_group([r for r in records if r.method == "lowest" and r.sparsity.requested == 0.1])
    assert "one run" in verdict(one, agreements_of(one))[0]
    blind = only_group([replace(r, pd=PerformanceDifference()) for r in records])
    assert agreements_of(blind) == ()
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


def test_verdict_of_many_measures_stays_short(twelve_measures):
    group = only_group(twelve_measures)
    lines = verdict(group, agreements_of(group))
    assert max(map(len, lines)) < 600
    assert any("measures stand between" in line for line in lines)
    assert any("the order of PD is kept at 4 of 4 sparsities by" in line for line in lines)
    assert few(["a", "b", "c", "d"]) == "a, b, c and d"
    assert few(["a", "b", "c", "d", "e"]) == "a, b, c and 2 others"
