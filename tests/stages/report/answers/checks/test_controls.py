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


def test_random_overall(small):
    everywhere = changed(small, "random", scope="global")
    assert controls.random_overall(evidence(everywhere, layers=OF_TWO)) == (True, "random (global)")
    assert not controls.random_overall(evidence(small, layers=OF_TWO))[0], "each layer loses the same share"
    assert controls.random_overall(evidence(small, layers=("fc",))) == (True, "random (layer)"), "a single layer"


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
    assert controls.random_same_layers(evidence(alone)) == (False, "no method other than at random is known")


def test_magnitude(small):
    assert controls.magnitude(evidence(small)) == (True, "lowest (layer)")
    others = [r for r in small if r.method != "lowest"]
    assert controls.magnitude(evidence(others)) == (False, "no `--method lowest`")
