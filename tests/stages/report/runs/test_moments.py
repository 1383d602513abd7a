"""The moments at which AP and PD are compared."""

from dataclasses import replace

from studies import only_group

from apcli.stages.report.runs.moments import FINAL, JUST_PRUNED, moment_name, moments, stat_at, value_at


def test_an_epoch_after_pruning_makes_a_second_moment(make_grid):
    tuned = only_group(make_grid(seeds=(0,), epochs=1, sparsities=(0.1,)))
    assert moments(tuned) == (FINAL, JUST_PRUNED)
    assert moment_name(tuned, FINAL) == "after fine-tuning"
    assert moment_name(tuned, JUST_PRUNED) == "right after pruning"


def test_files_alone_have_one_moment(make_grid):
    group = only_group(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)))
    assert moments(group) == (FINAL,)
    assert moment_name(group, FINAL) == "in the files as they stand"


def test_accuracies_that_differ_tell_of_fine_tuning_without_a_trace(make_grid):
    traced = make_grid(seeds=(0,), epochs=2, sparsities=(0.1,))
    final = only_group([record for record in traced if record.epoch is None])
    assert moments(final) == (FINAL,)
    assert moment_name(final, FINAL) == "after fine-tuning"
    same = [replace(r, metrics=replace(r.metrics, before=r.metrics.pruned)) for r in traced if r.epoch is None]
    assert moment_name(only_group(same), FINAL) == "in the files as they stand"


def test_values_at_each_moment(make_grid):
    group = only_group(make_grid(seeds=(0, 1), epochs=2, sparsities=(0.1,)))
    run, key = group.runs[0], group.measures[0].key
    trial = run.trials[1]
    assert value_at(trial, key, FINAL) == trial.values[key, None]
    assert value_at(trial, key, JUST_PRUNED) == trial.values[key, 0]
    assert value_at(trial, key, 1) == trial.values[key, 1]
    assert value_at(trial, key, 7) is None
    assert [stat_at(run, key, m) for m in (FINAL, JUST_PRUNED, 1)] == [run.final(key), run.at(key, 0), run.at(key, 1)]
    assert moment_name(group, 1) == "after 1 epoch"
