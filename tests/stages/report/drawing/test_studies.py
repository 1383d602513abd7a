"""The numbers that figures draw are those of the runs."""

from dataclasses import replace

from studies import only_group, variant

from apcli.figures.canvas.colors import looks
from apcli.stages.report.drawing.studies import study_of
from apcli.stages.report.runs.quantities import ScoreKey


def studied(records):
    group = only_group(records)
    return group, study_of(group, looks(group.methods, []))


def test_a_series_for_each_run_and_measure(small):
    group, study = studied(small)
    measured = [series for series in study.series if series.kind != "change"]
    assert len(measured) == len(group.runs) * len(group.quantities)
    for series in measured:
        run = next(run for run in group.runs if (run.method, run.sparsity) == (series.method, series.sparsity))
        quantity = next(q for q in group.quantities if q.label == series.measure)
        assert series.epochs == (0, 1, 2)
        assert series.final.mean == run.final(quantity.key).mean
        assert series.points[1].mean == run.at(quantity.key, 1).mean
        assert len(series.points[1].values) == len(run.trials)
    assert {series.kind for series in measured} == {"ap2", "ap3", "pd"}


def test_changes_of_accuracy_have_a_sign(small):
    group, study = studied(small)
    changes = [s for s in study.series if s.measure == "Accuracy change, test"]
    assert len(changes) == len(group.runs)
    for series, run in zip(changes, group.runs, strict=True):
        assert series.final.values == tuple(trial.accuracy_change for trial in run.trials)
        assert series.points[2].values == series.final.values


def test_training_curves_are_those_of_the_pruned_networks(small):
    group, study = studied(small)
    assert len(study.training) == 4 * len(group.runs)
    curve = next(s for s in study.training if s.measure == "train loss")
    trial = group.runs[0].trials[0]
    assert curve.points[1].values[0] == trial.at(ScoreKey("pruned", "train", "loss"), 1)


def test_a_network_for_each_trial(small):
    group, study = studied(small)
    assert len(study.networks) == sum(len(run.trials) for run in group.runs)
    network, trial = study.networks[0], group.runs[0].trials[0]
    assert network.name == trial.name
    label = group.measures[0].label
    assert network.values[label] == tuple(trial.at(group.measures[0].key, epoch) for epoch in (0, 1, 2))


def test_files_as_they_stand_have_their_final_value(make_grid):
    _, study = studied(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)))
    untraced = [network for network in study.networks if not network.epochs]
    assert all(len(values) == 1 for network in untraced for values in network.values.values())
    assert study.networks


def test_agreements_are_words(small):
    group, study = studied(small)
    assert all(words.startswith("τ ") for words in study.agreements.values())
    assert set(study.agreements) == {
        (m.label, f"PD, {split} loss") for m in group.measures for split in ("test", "train")
    }


def test_where_all_networks_agree_an_interval_would_say_nothing(make_grid):
    records = [replace(r, value=r.pd.test.loss) for r in variant(make_grid(seeds=range(5), epochs=0), "ap2")]
    _, study = studied(records)
    assert study.agreements["AP2", "PD, test loss"] == "τ 1.00 in all 5 networks final"


def test_accuracies_are_by_state_and_sparsity(small):
    _, study = studied(small)
    assert list(study.accuracies) == ["just pruned", "after fine-tuning"]
    curve = study.accuracies["after fine-tuning"][0]
    assert list(curve.points) == [0.1, 0.5]
    assert len(curve.points[0.1].values) == 2
