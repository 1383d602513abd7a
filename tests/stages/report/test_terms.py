"""Terms: each is recognised in what a report says, and given once, where it first stands."""

import re

import pytest

from apcli.allocations import SCOPES
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.projections import COVARIANCES
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
    "groups=": "AP3 student-t groups=100",
    "(filter)": "l1 (filter, global)",
    **{f"cov={row.name}": f"AP3 gaussian cov={row.name}, 0.5" for row in COVARIANCES},
    **{f"({row.name})": f"lowest ({row.name})" for row in SCOPES},
    **{row.name: f"{row.name} (layer) at 0.5" for row in METHODS},
    **{f"{row.name} (filter)": f"{row.name} (filter)" for row in FILTER_METHODS},
}


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_a_term_is_recognised(term):
    assert re.search(term.used, USED[term.name])
    assert not re.search(term.used, "nothing of the kind, MAPD and AP27")


def test_methods_and_scopes_are_told_from_words_of_sentences():
    def used(text):
        return [term.name for term in FirstUse().of([text])]

    assert used("the highest mean (best), of each layer (at random mask)") == []
    assert used("highest (global, conv1)") == ["(global)", "highest"]
    assert used("highest (filter, layer)") == ["(filter)", "(layer)", "highest (filter)"]
    assert "random" not in used("random-same-layers (layer)")
    assert used("AP3 gaussian cov=activation") == ["AP3", "cov=activation"]


def test_a_card_has_few_words_for_a_term():
    assert all(len(term.in_short) <= len(term.meaning) for term in TERMS)
    assert all(len(term.in_short) < 110 for term in TERMS if term.short)


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
