"""The theory as a whole: which statements stand in it, and what comes where a network has no bound."""

import logging
from dataclasses import replace

import pytest
from measured_pairs import by_statement, measured

from apcli.checkpoints.reading import read
from apcli.probes.traced.operations import Refusal
from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.probabilistic import given_mask, theory

WITH_A_NETWORK = {
    *("theorem A", "theorem A, product form", "theorem A on the images", "theorem C", "theorem B, largest count"),
    *("theorem C, largest count", "simulation of theorem A"),
}
WITH_IMAGES = {"theorem E", "theorem E, width condition", "simulation", "simulation, eps-close"}
SPEC = "probabilistic:draws=3:shuffles=19"


def test_all_statements(dense, pruned):
    every = list(THEORIES.parse(SPEC)(measured(dense, pruned, images=20)))
    assert set(by_statement(every)) == WITH_A_NETWORK | WITH_IMAGES
    for layer in ("fc4", "fc5"):
        assert set(by_statement(every, layer)) == {
            *("theorem B", "theorem C", "theorem D", "theorem B, largest count", "theorem C, largest count")
        }
    assert all(one.bound.standing == "proven" for one in every)
    assert not [one.bound.statement for one in every if one.bound.verdict == "broken"]


def test_without_a_network_the_layers_alone(dense, pruned, caplog):
    stripped = [replace(read(path), lineage=replace(read(path).lineage, model=None)) for path in (dense, pruned)]
    with caplog.at_level(logging.WARNING, "apcli"):
        every = list(THEORIES.parse(SPEC)(measured(*stripped, images=20)))
    assert {one.bound.statement for one in every} == {"theorem B", "theorem D"}
    assert caplog.text.count("only theorems B and D, which need no network") == 1
    assert "--model" in caplog.text


@pytest.mark.parametrize(
    ("module", "name", "missing"),
    [
        (theory, "subject", WITH_A_NETWORK),
        (given_mask, "changed_layers", {s for s in WITH_A_NETWORK if "theorem A" in s[:9]}),
    ],
)
def test_a_network_without_a_bound_has_the_rest(dense, pruned, monkeypatch, caplog, module, name, missing):
    def refuses(*_):
        raise Refusal("LayerNorm in norm", "it has no Lipschitz constant")

    monkeypatch.setattr(module, name, refuses)
    with caplog.at_level(logging.WARNING, "apcli"):
        every = list(THEORIES.parse(SPEC)(measured(dense, pruned, images=20)))
    assert set(by_statement(every)) == (WITH_A_NETWORK | WITH_IMAGES) - missing
    assert "LayerNorm in norm: it has no Lipschitz constant" in caplog.text
