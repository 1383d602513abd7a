"""The report as one JSON object: typed, read back as it was, and with every value of the runs."""

import json
from dataclasses import replace

import pytest
from studies import described, only_group

from apcli.records import lines
from apcli.records.json_objects import OtherRecord
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.inputs import digests_of, is_made
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.json_files import to_json


def read(records):
    (record,) = lines.load([to_json(build(records))], "report.json")
    return record


def test_the_object_is_a_record_that_can_be_read_back(small):
    text = to_json(build(small))
    (record,) = lines.load([text], "report.json")
    assert f"{lines.dump(record.to_json())}\n" == text
    assert list(json.loads(text)) == ["kind", "version", "inputs", "records", "groups"]
    assert is_made(text.encode(), digests_of(small))


def test_every_value_of_every_record_is_there(small):
    (group,) = read(small).groups
    assert [run.name for run in group.runs] == [run.name for run in only_group(small).runs]
    units = {quantity.name: quantity.unit for quantity in group.quantities}
    names = {"ap2": "AP2", "gaussian": "AP3 gaussian", "student-t": "AP3 student-t"}
    trials = {trial.sha256: trial for run in group.runs for trial in run.trials}
    for record in small:
        trial, name = trials[record.pruned.sha256], names[record.dist]
        assert (trial.network, trial.seed) == (record.dense.sha256, record.seed)
        values = next(moment.values for moment in trial.moments if moment.epoch == record.epoch)
        if record.layer == "*":
            assert values[name] == record.value
            assert values["PD, train loss"] == record.pd.train.loss
            assert values["pruned, test accuracy"] == record.metrics.pruned.test.accuracy
            assert set(values) <= set(units)
        elif record.epoch is None:
            (layer,) = trial.layers
            assert (layer.layer, layer.sparsity, layer.values[name]) == ("fc", record.sparsity.actual, record.value)
    assert units["AP3 gaussian"] == units["PD, test loss"] == "nats"
    assert (units["pruned, test accuracy"], units["PD, test accuracy"]) == ("percent", "percentage points")


def test_epochs_stand_in_their_order_and_the_file_itself_last(small):
    (group,) = read(small).groups
    assert {tuple(m.epoch for m in trial.moments) for run in group.runs for trial in run.trials} == {(0, 1, 2, None)}


def test_answers_checks_and_comparisons_are_those_of_the_page(small):
    report, (group,) = build(small), read(small).groups
    (own,) = report.groups
    compared = comparisons_of(own)
    assert [a.sentence for a in group.answers] == [a.sentence for a in answers(report, own)] != []
    assert [(c.item, c.passed) for c in group.checklist] == [(c.item, c.passed) for c in checklist(report, own)]
    assert [(c.first, c.second, c.p) for c in group.comparisons] == [
        (c.first.name, c.second.name, c.p) for c in compared.methods
    ]
    assert [(a.measure, a.over, a.tau) for a in group.agreements] == [
        (a.measure.label, a.over, a.tau) for a in compared.agreements
    ]
    assert [w.taus for w in group.within_networks] == [w.taus for w in compared.within_networks]
    assert [c.value for c in group.contrasts] == [c.value for c in compared.contrasts]
    run = group.runs[0]
    (ap2,) = (e for e in run.estimates if (e.quantity, e.moment) == ("AP2", "final"))
    assert list(ap2.values) == [next(m for m in t.moments if m.epoch is None).values["AP2"] for t in run.trials]


def test_records_of_all_kinds_are_counted(small):
    other = OtherRecord({"kind": "bound", "version": 1})
    record = read([*small, described("a", "0" * 64), other, other])
    assert record.records == {"divergence": len(small), "checkpoint": 1, "bound": 2}


def test_what_is_infinite_or_not_known_is_absent(small):
    (group,) = read([replace(record, value=None) for record in small]).groups
    assert {quantity.kind for quantity in group.quantities} == {"pd", "dense", "before", "pruned"}


@pytest.mark.parametrize("kind", ["estimate", "bound"])
def test_errors_and_bounds_of_estimates(fourteen_measures, kind):
    (group,) = read(fourteen_measures).groups
    moment = group.runs[0].trials[0].moments[-1]
    name = next(quantity.name for quantity in group.quantities if "kind-10" in quantity.name)
    if kind == "estimate":
        assert moment.std_errors[name] == 0.25
    else:
        assert moment.values[f"lower bound on total variation, {name}"] == 0.25
