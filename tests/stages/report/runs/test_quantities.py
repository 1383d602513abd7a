"""Measures found in records: what tells them apart, their labels, units and settings."""

from dataclasses import replace

import pytest
from studies import only_group

from apcli.records.divergence import DivergenceRecord
from apcli.stages.report.runs.quantities import measures_of

(AP2,) = measures_of([DivergenceRecord(layer="*", dist="ap2", measure="ap2", estimator="exact")])
STUDENT = {"df": 4, "cov": "identity", "scale": 1.0, "pruned_scale": "same", "groups": 0}
RENYI = {"measure": "renyi", "measure_params": {"alpha": 0.3}}
ON = {"data": "cifar10", "split": "test", "samples": 10}
DRAWS = {"samples": 100, "repeats": 1, "seed": 0}


def test_two_laws_of_one_name_are_told_apart(make_grid):
    records = make_grid(seeds=(0,), epochs=0)
    wider = [replace(r, params={**r.params, "df": 10}) for r in records if r.dist == "student-t"]
    labels = [m.label for m in only_group([*records, *wider]).measures]
    assert labels == ["AP2", "AP3 gaussian", "AP3 student-t", "AP3 student-t df=10"]


@pytest.mark.parametrize(
    ("others", "labels"),
    [
        ([], ["AP3 student-t"]),
        ([RENYI], ["AP3 student-t", "AP3 student-t (renyi alpha=0.3)"]),
        ([RENYI, {**RENYI, "measure_params": {"alpha": 0.5}}],
         ["AP3 student-t", "AP3 student-t (renyi alpha=0.3)", "AP3 student-t (renyi alpha=0.5)"]),
        ([{"params": {**STUDENT, "cov": "ar1", "rho": 0.5}}, {"params": {**STUDENT, "cov": "ar1", "rho": 0.9}}],
         ["AP3 student-t", "AP3 student-t cov=ar1", "AP3 student-t cov=ar1 rho=0.9"]),
        ([{"params": {**STUDENT, "cov": "rows"}, "measure": "js", "estimator": "mc", "draws": DRAWS}],
         ["AP3 student-t", "AP3 student-t cov=rows (js)"]),
        ([{"estimator": "mc", "draws": DRAWS}, {"estimator": "mc", "draws": {**DRAWS, "samples": 200}}],
         ["AP3 student-t (exact)", "AP3 student-t (mc, draws samples=100)", "AP3 student-t (mc, draws samples=200)"]),
        ([{"evaluated": ON}, {"evaluated": {**ON, "split": "train"}}, {"params": {**STUDENT, "groups": 100}}],
         ["AP3 student-t", "AP3 student-t (data=cifar10, split=test)", "AP3 student-t (data=cifar10, split=train)",
          "AP3 student-t groups=100"]),
        ([{"dist": "predictive", "params": {}}, {"dist": "ap2", "measure": "ap2", "params": {}}],
         ["AP3 student-t", "AP3 predictive", "AP2"]),
    ],
)  # fmt: skip
def test_labels_name_parameters_that_differ_from_defaults_and_what_else_tells_measures_apart(others, labels):
    plain = DivergenceRecord(layer="*", dist="student-t", params=STUDENT, measure="kl", estimator="exact")
    measures = measures_of([plain, *(replace(plain, **other) for other in others)])
    assert [m.label for m in measures] == labels
    assert len({m.key for m in measures}) == len(labels)


@pytest.mark.parametrize(
    ("dist", "params", "label"),
    [
        ("gaussian", {"cov": "activation", "scale": 1.0}, "AP3 gaussian cov=activation"),
        ("student-t", {**STUDENT, "groups": 100}, "AP3 student-t groups=100"),
        ("gaussian", {"cov": "fisher", "labels": "data", "damping": 1e-6}, "AP3 gaussian cov=fisher labels=data"),
        ("ap2", {"groups": 100}, "AP2 groups=100"),
        ("mine.py:pair", {"strength": 2}, "AP3 mine.py:pair strength=2"),
    ],
)
def test_a_measure_alone_says_what_is_unusual(dist, params, label):
    (measure,) = measures_of([DivergenceRecord(layer="*", dist=dist, params=params, measure="kl")])
    assert measure.label.partition(" (")[0] == label


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
