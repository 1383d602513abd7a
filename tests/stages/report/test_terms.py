"""Terms: each is recognised in what a report says, and given once, where it first stands."""

import re

import pytest

from apcli.stages.report.terms import TERMS, FirstUse

USED = {
    "sparsity": "at two sparsities",
    "dense network": "5 dense networks",
    "accuracy": "test accuracy",
    "just pruned": "right after pruning",
    "control": "a control",
    "not distinguishable": "is not distinguishable from it",
    "loss difference (PD)": "order of PD in test loss",
    "AP2": "AP2 is",
    "AP3": "a divergence",
    "rank agreement (Kendall’s τ)": "τ 0.5",
    "±": "1.0 ± 0.1",
    "interval": "τ within [−0.1, 0.5]",
    "MACs": "of the MACs",
    "compression": "compression 2",
    "total variation (TV)": "TV at least",
}


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_a_term_is_recognised(term):
    assert re.search(term.used, USED[term.name])
    assert not re.search(term.used, "nothing of the kind, MAPD and AP27")


def test_a_term_is_given_once():
    used = FirstUse()
    assert [term.name for term in used.of(["AP2 against PD", "AP2"])] == ["loss difference (PD)", "AP2"]
    assert [term.name for term in used.of(["AP2, AP3"])] == ["AP3"]
    assert used.of(["PD"]) == ()
    assert [term.name for term in used.given] == ["loss difference (PD)", "AP2", "AP3"]


def test_anchors_are_unique_and_plain():
    anchors = [term.anchor for term in TERMS]
    assert len(set(anchors)) == len(anchors)
    assert all(re.fullmatch(r"term(-[a-z0-9]+)+", anchor) for anchor in anchors)
