"""Which statements about PD stand for which pairs."""

from measured_pairs import latents_of, measured
from prunings import run

from apcli.stages.bounds.ap3.performance import statements

PUBLISHED = {"lemma 2", "corollary 2", "theorem 1"}


def names(pair):
    return {one.bound.statement for one in statements(pair, latents_of(pair))}


def test_of_two_layers(dense, pruned):
    assert names(measured(dense, pruned, images=30)) == PUBLISHED | {"corollary 2, all layers"}


def test_of_the_last_layer(dense, tmp_path):
    (path,) = run(dense, 0.5, layers="last", folder=tmp_path)
    found = names(measured(dense, path, images=30))
    assert found > PUBLISHED | {"corollary 2, all layers"}
    assert {"corollary 2, last layer", "loss, tightest", "accuracy by margins"} <= found
