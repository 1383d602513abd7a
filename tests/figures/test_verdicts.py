"""Signs of verdicts: each has its own, and its word."""

from apcli.figures.verdicts import LOOKS, keys_of
from apcli.records.bound import NOT_MEASURED, VERDICTS


def test_every_verdict_about_a_measurement_has_a_sign_of_its_own():
    assert {*LOOKS, NOT_MEASURED} == set(VERDICTS)
    assert len({look.shape for look in LOOKS.values()}) == len(LOOKS)


def test_the_legend_has_the_verdicts_that_there_are():
    assert [key.name for key in keys_of(["vacuous", "holds", "broken", "holds"])] == ["broken", "holds", "vacuous"]
    assert keys_of([]) == []
