"""Trials: the values of a pair of files, those of each layer, and what the files are."""

from dataclasses import replace

import pytest
from studies import described

from apcli.records.pair import File, LayerSparsity
from apcli.stages.report.runs.quantities import PD_LOSS, key_of
from apcli.stages.report.runs.trials import file_name, scope_in, structure_in, trials_of


@pytest.fixture
def lowest(make_grid):
    """The records of one pruned file."""
    grid = make_grid(seeds=(0,), epochs=2, sparsities=(0.5,))
    return [r for r in grid if r.method == "lowest"]


def test_a_trial_has_the_values_of_its_file_and_of_each_epoch(lowest):
    (trial,) = trials_of(lowest, {}, [])
    pooled = [r for r in lowest if r.layer == "*" and r.dist == "ap2"]
    assert {r.epoch: trial.at(key_of(r), r.epoch) for r in pooled} == {r.epoch: r.value for r in pooled}
    assert (trial.method, trial.scope, trial.requested) == ("lowest", "layer", 0.5)
    assert trial.final(PD_LOSS[0].key) == next(r.pd.test.loss for r in pooled if r.epoch is None)


def test_layers_have_their_final_values_and_their_own_sparsity(lowest):
    fc = [r for r in lowest if r.layer == "fc"]
    conv = [replace(r, layer="conv1", value=2 * r.value, sparsity=LayerSparsity(0.5, 0.25)) for r in fc]
    (trial,) = trials_of([*lowest, *conv], {}, [])
    key = key_of(fc[0])
    final = next(r.value for r in fc if key_of(r) == key and r.epoch is None)
    assert trial.by_layer["fc"].values[key] == final
    assert (trial.by_layer["conv1"].values[key], trial.by_layer["conv1"].actual) == (2 * final, 0.25)
    traced = [r for r in fc if r.epoch is not None]
    (only,) = trials_of(traced, {}, [])
    assert only.by_layer["fc"].values[key] == next(r.value for r in traced if key_of(r) == key and r.epoch == 2)


def test_a_pooled_record_over_layers_that_were_left_out_is_of_their_method(lowest):
    """Filters of the first convolution stay, so the layers of the whole network have no method in common."""
    unsaid = {"method": None, "scope": None, "sparsity": LayerSparsity(None, 0.4)}
    pooled = [replace(r, **unsaid) if r.layer == "*" else r for r in lowest]
    conv = [replace(r, layer="conv1", **unsaid) for r in lowest if r.layer == "fc"]
    (trial,) = trials_of([*pooled, *conv], {}, [])
    assert (trial.method, trial.scope, trial.requested, trial.actual) == ("lowest", "layer", 0.5, 0.4)
    (mixed,) = trials_of([*pooled, *(replace(r, method="highest") for r in conv)], {}, [])
    assert mixed.method is None


def test_the_change_of_accuracy_has_a_sign(lowest):
    (trial,) = trials_of(lowest, {}, [])
    assert trial.accuracy_change == pytest.approx(trial.accuracy("pruned") - trial.accuracy("dense"))
    assert trial.accuracy_change < 0
    assert replace(trial, values={}).accuracy_change is None


def test_replicates_differ_in_dense_network_seed_or_mask(make_grid):
    trials = trials_of([r for r in make_grid(seeds=(0, 1), epochs=0) if r.method == "random"], {}, [])
    assert len({trial.replicate for trial in trials if trial.requested == 0.1}) == 2
    other = replace(trials[0], dense=File("other", "f" * 64))
    assert other.replicate != trials[0].replicate


def test_a_file_is_named_by_the_last_part_of_its_path():
    assert file_name(File("a/b.safetensors")) == "b.safetensors"
    assert file_name(File()) == "unnamed file"


def test_compression_is_by_the_dense_networks_parameters(lowest):
    dense, pruned = lowest[0].dense.sha256, lowest[0].pruned.sha256
    compact = described("compact", pruned, parameters=250, kept=200, dense_parameters=None)
    (alone,) = trials_of(lowest, {pruned: compact}, [])
    assert (alone.dense_parameters, alone.compression) == (None, None)
    (known,) = trials_of(lowest, {pruned: compact, dense: described("dense", dense)}, [])
    assert (known.dense_parameters, known.compression) == (1000, 5.0)
    (said,) = trials_of(lowest, {pruned: replace(compact, dense_parameters=800)}, [])
    assert (said.dense_parameters, said.compression) == (800, 4.0)
    (empty,) = trials_of(lowest, {pruned: replace(compact, dense_parameters=800, kept=0)}, [])
    assert empty.compression is None


@pytest.mark.parametrize(
    ("scope", "structure", "name"),
    [
        ("global", "global", "global"),
        ("lamp, macs budget", "lamp", "lamp"),
        ("filter", "filter", ""),
        ("filter, macs budget", "filter", ""),
        ("filter, itpruner, macs budget", "filter", "itpruner"),
        ("2:4", "2:4", "2:4"),
        (None, "", ""),
    ],
)
def test_the_parts_of_a_scope(scope, structure, name):
    assert (structure_in(scope), scope_in(scope)) == (structure, name)
