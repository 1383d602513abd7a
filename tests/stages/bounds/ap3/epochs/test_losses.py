"""Theorem 2 on real fine-tunings: of the last layer alone (proven), of two layers (estimate), of all (W14)."""

import pytest
from measured_pairs import latents_of, measured
from prunings import run
from short_trainings import tuned

from apcli.stages.bounds.ap3.epochs.losses import statements
from apcli.stages.bounds.ap3.setting import Setting
from apcli.theory.bounds import last_layer


def stated(dense, folder, layers, update):
    (path,) = run(dense, 0.5, layers=layers, folder=folder)
    setting = Setting(measured(dense, tuned(path, folder, update=update, lr=0.02), images=60))
    return setting, list(statements(setting, latents_of(setting.pair)))


def test_of_the_last_layer_alone_it_is_proven(dense, tmp_path):
    setting, found = stated(dense, tmp_path, "fc5", "pruned")
    assert [one.epoch for one in found] == [0, 1, 2]
    assert {(one.bound.verdict, one.bound.standing) for one in found} == {("holds", "proven")}
    bound = found[-1].bound
    assert bound.measured == pytest.approx(setting.pd)
    constants = {one.name: one.value for one in bound.constants}
    assert constants["gradient term"] == pytest.approx(setting.weights.slope)
    curvature = last_layer.curvature(setting.alone.largest_moment)
    ap2 = sum(w.ap2 for w in setting.pair.weights)
    assert bound.value == pytest.approx(abs(setting.weights.slope) + curvature / 2 * ap2)


def test_of_two_layers_it_is_an_estimate(dense, tmp_path):
    setting, found = stated(dense, tmp_path, "fc4,fc5", "pruned")
    assert {(one.bound.verdict, one.bound.standing) for one in found} == {("not contradicted", "estimate")}
    assert found[-1].bound.measured == pytest.approx(setting.pd, abs=1e-6)
    assert [one.holds for one in found[0].bound.assumptions] == [True, None]


def test_w14_fine_tuning_moves_other_tensors_too(dense, tmp_path):
    _, found = stated(dense, tmp_path, "fc5", "all")
    assert [one.epoch for one in found] == [0, 1, 2]
    for one in found:
        assert one.bound.verdict == "assumption fails"
        assert one.bound.measured is None
        assert "W14" in one.bound.assumptions[0].reason
