"""Each kind is the limit of its name, found with the parameters that its row has."""

import pytest

from apcli.errors import UsageError
from apcli.stages.limits import KINDS, LIMITS
from apcli.stages.limits.kinds import Subject
from apcli.stages.limits.limits import Limits, Settings

GIVEN = {"curvature": "hessian", "steps": 20, "probes": 2, "damping": 0.01, "adjust": 60, "within": 0.0}
OF_LIMITS = {
    "quadratic": lambda found: found.best.kept,
    "published": lambda found: found.published,
    "subspace": lambda found: found.aligned,
}


def never(rule):
    raise AssertionError("the network is not run with masks")


@pytest.mark.parametrize("kind", [row.name for row in KINDS if "largest" in row.needs])
def test_kinds_of_the_largest_weights(subject, kind):
    own = {key: GIVEN[key] for key in KINDS.row(kind).parameters}
    rule = LIMITS.parse(
        ":".join([f"limit:kind={kind}:eps=abs-0.02", *(f"{key}={value}" for key, value in own.items())])
    )
    settings = Settings("abs-0.02", **{"damping": 0.01, "adjust": 60, **own})
    expected = OF_LIMITS[kind](Limits(subject, settings, 3, lambda words: None))
    kept = rule(Subject(1, never, lambda: subject, 3, lambda words: None))
    assert kept == expected
    assert 0 < kept < 400


@pytest.mark.parametrize("fewest", [0, 1, 37, 99, 100])
def test_one_shot_is_the_fewest_weights_within_eps(fewest):
    asked = []

    def within(rule):
        asked.append(rule)
        return lambda kept: kept >= fewest

    assert LIMITS.parse("limit:eps=accuracy-0.5")(Subject(100, within, never, 0, print)) == fewest
    assert asked == ["accuracy-0.5"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("limit:steps=9", "it takes kind, eps$"),
        ("limit:kind=published:within=0.1", "it takes kind, eps, curvature, steps, probes$"),
        ("limit:kind=best", "unknown kind 'best': known are oneshot, quadratic, published, subspace"),
        ("limit:eps=accuracy", "limit:eps is 'accuracy': expected std or accuracy-X or"),
        ("limit:eps=abs-0", "expected std or accuracy-X or std-X or abs-X or rel-X, with X a number above 0"),
        ("limit:kind=quadratic:within=1", r"limit:within is 1: expected a number in \[0, 1\)"),
    ],
)
def test_what_is_refused(spec, words):
    with pytest.raises(UsageError, match=words):
        LIMITS.parse(spec)
