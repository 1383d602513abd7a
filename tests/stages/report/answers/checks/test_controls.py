"""Checks of the controls, where each passes and where it fails, with the reason."""

from dataclasses import replace

import pytest
from studies import with_files

from apcli.stages.report.answers.checks import controls
from apcli.stages.report.answers.checks.evidence import Evidence
from apcli.stages.report.runs.experiment import build

OF_TWO = ("conv", "fc")
REASON = "of lowest (layer) at 10 % and 50 % and highest (layer) at 10 % and 50 %"


def evidence(records, **how):
    report = build(with_files(records, **how))
    return Evidence(report, report.groups[0])


def changed(records, name, /, **changes):
    return [replace(r, **changes) if r.method == name else r for r in records]


def test_a_control_is_of_the_scope_of_the_methods(small):
    assert controls.random_of_scope(evidence(small, layers=OF_TWO)) == (True, "random (layer)")
    overall = [replace(r, scope="global") for r in small]
    assert controls.random_of_scope(evidence(overall, layers=OF_TWO)) == (True, "random (global)")
    channels = [replace(r, scope="filter", method="l1" if r.method == "lowest" else r.method) for r in small]
    assert controls.random_of_scope(evidence(channels, layers=OF_TWO)) == (True, "random (filter)")


@pytest.mark.parametrize(
    ("scope", "options"),
    [("global", "--method random --scope global"), ("filter", "--structure filter --method random")],
)
def test_a_control_of_another_scope_is_not_enough(small, scope, options):
    apart = changed(small, "lowest", scope=scope)
    reason = f"no `{options}`: whether a method beats chance is not known"
    assert controls.random_of_scope(evidence(apart, layers=OF_TWO)) == (False, reason)


def test_weights_of_a_single_layer_have_one_scope(small):
    apart = changed(small, "lowest", scope="global")
    assert controls.random_of_scope(evidence(apart, layers=("fc",))) == (True, "random (layer)")


def test_random_of_the_same_layers(small):
    assert controls.random_same_layers(evidence(small, layers=OF_TWO)) == (True, REASON)
    everywhere = changed(small, "random", scope="global")
    assert not controls.random_same_layers(evidence(everywhere, layers=OF_TWO))[0]
    assert controls.random_same_layers(evidence(everywhere, layers=("fc",)))[0], "a single layer"


@pytest.mark.parametrize(("of", "missing"), [("lowest", "highest"), ("highest", "lowest")])
def test_random_like_another_file(small, of, missing):
    methods = [replace(r, scope="global") if r.method != "random" else r for r in small]
    like = changed(methods, "random", method=f"random-same-layers of {of}")
    assert controls.random_same_layers(evidence(like, layers=OF_TWO)) == (
        False,
        f"no such control of {missing} (global): see `--method random-same-layers --like FILE`",
    )
    only = [r for r in like if r.method != missing and (r.method == of or r.sparsity.requested == 0.5)]
    assert controls.random_same_layers(evidence(only, layers=OF_TWO)) == (True, f"of {of} (global) at 50 %")


def test_random_without_anything_to_compare(small):
    alone = [r for r in small if r.method == "random"]
    for look in (controls.random_same_layers, controls.random_of_scope):
        assert look(evidence(alone)) == (False, "no method other than at random is known")


def test_magnitude(small):
    assert controls.magnitude(evidence(small)) == (True, "lowest (layer)")
    others = [r for r in small if r.method != "lowest"]
    assert controls.magnitude(evidence(others)) == (False, "no `--method lowest`")
