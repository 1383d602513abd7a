"""How far the weights of an epoch are from the dense ones (R4), on the trace of a real fine-tuning."""

import numpy as np
import pytest
from measured_pairs import by_statement, latents_of, measured
from prunings import run
from safetensors.numpy import load_file
from short_trainings import tuned

from apcli.stages.bounds.ap3.epochs.lengths import lengths_of, statements


@pytest.fixture(scope="module")
def finetuned(dense, tmp_path_factory):
    """The last two layers pruned and fine-tuned alone: nothing else moves."""
    folder = tmp_path_factory.mktemp("finetuned")
    (path,) = run(dense, 0.5, layers="fc4,fc5", folder=folder)
    return tuned(path, folder, update="pruned", lr=0.02)


def test_every_epoch_is_bounded(dense, finetuned):
    pair = measured(dense, finetuned)
    for scale, cov in ((0.1, "identity"), (1.0, "identity"), (10.0, "identity"), (1.0, "diag")):
        found = list(statements(pair, latents_of(pair, scale, cov)))
        assert [one.epoch for one in found] == [0, 1, 2]
        assert {(one.bound.verdict, one.bound.standing) for one in found} == {("holds", "proven")}


def test_values_by_their_definitions(dense, finetuned):
    before, after = load_file(dense), load_file(finetuned)
    trace = load_file(finetuned.with_name(finetuned.name.replace(".safetensors", ".trace.safetensors")))
    names = ["fc4.weight", "fc5.weight"]

    def flat(tensors, ending=""):
        return np.concatenate([np.ravel(tensors[name + ending]).astype(np.float64) for name in names])

    pair = measured(dense, finetuned)
    found = by_statement(statements(pair, latents_of(pair, 2.0)), epoch=1)["theorem 2, length"]
    square = float(np.sum((flat(before) - flat(trace, "@1")) ** 2))
    to_final = float(np.sum((flat(after) - flat(trace, "@1")) ** 2))
    gap = abs(square - to_final) / 8
    assert found.measured == pytest.approx(square)
    assert found.value == pytest.approx(4 * (2 * gap + to_final / 4))
    constants = {one.name: one.value for one in found.constants}
    assert constants["eps_t of Definition 5"] == pytest.approx(gap)
    assert constants["|w~* - w~t|^2"] == pytest.approx(to_final)


def test_at_the_last_epoch_the_bound_is_the_distance(dense, finetuned):
    pair = measured(dense, finetuned)
    *_, last = lengths_of(pair, latents_of(pair))
    assert (last.number, last.to_final) == (2, 0)
    assert last.at_most == pytest.approx(last.ap2)


def test_without_a_trace_there_is_nothing_to_state(dense, pruned):
    pair = measured(dense, pruned)
    assert list(statements(pair, latents_of(pair))) == []
