"""Checks of the set-up, where each passes and where it fails, with the reason."""

from dataclasses import replace

import pytest
from studies import TUNED, variant, with_files

from apcli.stages.report.answers.checks import setup
from apcli.stages.report.answers.checks.evidence import Evidence
from apcli.stages.report.runs.experiment import build


def evidence(records):
    report = build(records)
    return Evidence(report, report.groups[0])


def test_named(small, bare):
    assert setup.named(evidence(small)) == (True, "resnet20 on cifar10")
    assert setup.named(evidence(with_files(small))) == (
        True,
        "resnet20 on cifar10: 10 classes, images of 3 × 32 × 32",
    )
    assert setup.named(evidence(bare)) == (False, "the records do not name the data")
    neither = [replace(r, model=None) for r in bare]
    assert setup.named(evidence(neither)) == (False, "the records do not name the network and the data")


def test_several_pairs(honest, small):
    assert setup.several_pairs(evidence(honest)) == (
        True,
        "3 of 3: resnet20 on cifar10, vgg11 on cifar10 and alexnet on cifar10",
    )
    assert setup.several_pairs(evidence(small)) == (False, "1 of 3: resnet20 on cifar10")
    toys = [replace(r, data="digits") for r in honest if r.kind == "divergence"]
    assert setup.several_pairs(evidence(toys)) == (False, "0 of 3; toy data do not count: digits")


def test_same_start(small):
    assert setup.same_start(evidence(small)) == (True, "2 dense networks, the same for 6 runs")
    fewer = [r for r in small if (r.method, r.seed) != ("random", 1)]
    assert setup.same_start(evidence(fewer)) == (
        False,
        "not from all 2 dense networks: random (layer) at 0.1 and random (layer) at 0.5",
    )
    least = [r for r in small if (r.method == "lowest") or r.seed == 0]
    assert setup.same_start(evidence(least)) == (False, "not from all 2 dense networks: 4 of 6 runs")
    nameless = [replace(r, dense=replace(r.dense, sha256=None)) for r in small]
    assert setup.same_start(evidence(nameless)) == (False, "the SHA-256 of a dense file is not known")


def test_equal_budgets(small):
    assert setup.equal_budgets(evidence(with_files(small))) == (True, "the same settings of fine-tuning for 12 files")
    assert setup.equal_budgets(evidence(with_files(small, tuned=None))) == (True, "no file was fine-tuned")
    assert setup.equal_budgets(evidence(small)) == (False, "the settings of 12 of 12 files are not known")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"tuned": lambda r: {**TUNED, "lr": 0.1 if r.method == "random" else 0.01}}, "with different lr"),
        ({"part": lambda r: 500 if r.method == "random" else None}, "with different images"),
        ({"tuned": lambda r: None if r.method == "random" else TUNED}, "more often than others"),
    ],
)
def test_unequal_budgets(small, how, reason):
    passed, told = setup.equal_budgets(evidence(with_files(small, **how)))
    assert (passed, told.endswith(reason)) == (False, True), told


def test_repeatable(small):
    assert setup.repeatable(evidence(with_files(small)))[0]
    passed, reason = setup.repeatable(evidence(with_files(small)[:-1]))
    assert (passed, reason[:24]) == (False, "1 of 12 files are not at")


def test_versions(honest, small):
    passed, reason = setup.versions(evidence(honest))
    assert (passed, reason[:14], reason[-12:]) == (True, "made by apcli ", "timed on cpu")
    untimed = with_files(small)
    assert not setup.versions(evidence(untimed))[0]
    assert setup.versions(evidence(variant(small, "ap2")))[1].startswith("the version that made the files is not known")
