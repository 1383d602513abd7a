"""Distributions and measures of a command line, before anything is read."""

from typing import Any

import pytest

from apcli.configs.divergence import DivergenceConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.errors import UsageError
from apcli.projections import DISTRIBUTIONS
from apcli.projections.weights import Distribution
from apcli.stages.divergence.choices import check_choices, choices_of, is_on_data, needs_data
from apcli.stages.divergence.stage import Divergences
from apcli.theory import MEASURES


@pytest.mark.parametrize(
    ("dist", "words"),
    [
        ("ap3", "unknown distribution 'ap3'"),
        ("gaussian:df=3", "no parameter 'df'"),
        ("ap2,", "empty distribution"),
        ("gaussian:scale=0", "scale is 0"),
        ("student-t:df=-1", "df is -1"),
        ("gaussian:cov=banded", "unknown covariance 'banded'"),
        ("gaussian:rho=0.5", "no parameter 'rho'"),
        ("gaussian:cov=ar1:rho=1", "rho is 1"),
        ("gaussian:cov=rows:shrinkage=2", "shrinkage is '2'"),
        ("gaussian:cov=diag:pruned_cov=mine", "pruned_cov is 'mine'"),
        ("gaussian:pruned_scale=x", "pruned_scale is 'x'"),
        ("student-t:pruned_df=0", "pruned_df is '0'"),
        ("laplace:scale=0", "scale is 0"),
        ("gaussian:groups=-3", "groups is -3"),
        ("gaussian:groups=2:cov=diag", "groups goes with cov=identity"),
    ],
)
def test_wrong_distributions_are_refused_before_anything_is_read(dist, words):
    with pytest.raises(UsageError, match=words):
        Divergences(DivergenceConfig(dist))


@pytest.mark.parametrize(
    "options, option",
    [
        ({"images": 3}, "--images"),
        ({"model": "fc5"}, "--model"),
        ({"split": "train"}, "--split"),
        ({"batch_size": 7}, "--batch-size"),
        ({"data": DataConfig("digits")}, "--data"),
        ({"data": DataConfig(workers=7)}, "--workers"),
        ({"inputs": InputConfig(std=(0.5,))}, "--std"),
    ],
)
def test_the_operation_refuses_what_nothing_looks_at(options, option):
    with pytest.raises(UsageError, match=f"{option} is given, but no distribution of ap2"):
        Divergences(DivergenceConfig("ap2", **options))


def test_a_missing_network_is_said():
    with pytest.raises(ValueError, match="predictive is measured on the network"):
        Divergences(DivergenceConfig("predictive"))


def test_groups_are_of_the_distributions_that_have_them_and_do_not_say_otherwise():
    found = choices_of(DivergenceConfig("predictive,gaussian,student-t:groups=9", groups=5))
    assert [choice.parameters.get("groups") for choice in found] == [None, 5, 9]
    with pytest.raises(UsageError, match="--groups 5: no distribution of predictive averages weights into groups"):
        choices_of(DivergenceConfig("predictive", groups=5))


@pytest.mark.parametrize(
    ("dist", "needed"),
    [("ap2,gaussian", False), ("predictive", True), ("ap2,gaussian:cov=fisher", True), ("gaussian:cov=diag", False)],
)
def test_data_are_needed_by_what_is_measured_on_the_network(dist, needed):
    config = DivergenceConfig(dist)
    assert needs_data(config) == needed
    assert any(map(is_on_data, choices_of(config))) == needed


def checked(dist: str, measure: str = "kl", **options: Any) -> list[Distribution]:
    config = DivergenceConfig(dist, measure, **options)
    choices = choices_of(config)
    check_choices(choices, MEASURES.parse_list(measure), config)
    return choices


@pytest.mark.parametrize(
    ("dist", "options", "words"),
    [
        ("ap2,ap2", {}, "ap2 is named twice"),
        ("gaussian", {"measure": "kl,kl"}, "kl is named twice"),
        ("predictive", {"level": "layer"}, "--level layer: predictive is of the whole network: choose network or both"),
        (
            "predictive",
            {"level": "filter,network"},
            "--level filter,network: predictive is measured on the ",
        ),
        (
            "ap2,gaussian:cov=fisher",
            {"level": "filter"},
            "fisher.* is measured on the network, not on single ",
        ),
        ("gaussian", {"measure": "w2", "estimator": "naive"}, "w2 is no average over draws"),
        ("predictive", {"measure": "kl,w2"}, "w2 of predictive: .*; defined are kl, "),
    ],
)
def test_what_does_not_go_together(dist, options, words):
    with pytest.raises(UsageError, match=words):
        checked(dist, **options)


def test_every_distribution_goes_with_kl():
    assert all(checked(row.name) for row in DISTRIBUTIONS)
