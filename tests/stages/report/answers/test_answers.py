"""The answers together: few, in plain text, and each with its evidence."""

from dataclasses import replace

import pytest
from studies import with_files

from apcli.stages.report.answers.answers import answers
from apcli.stages.report.runs.experiment import build

ANCHORS = {"overview", "trust", "accuracy", "cost", "divergence", "epochs", "order", "layers", "repeat"}


def answered(records):
    report = build(records)
    return [answers(report, group) for group in report.groups]


def test_a_group_has_at_most_four_answers(honest, bare, small, twelve_measures):
    for records in (honest, bare, small, with_files(small), twelve_measures):
        for given in answered(records):
            assert 0 < len(given) <= 4
            assert len({answer.question for answer in given}) == len(given)
            for answer in given:
                assert all([answer.question, answer.sentence, answer.number, answer.sureness])
                assert answer.anchor in ANCHORS
                assert answer.sentence.endswith(".")
                assert answer.sureness.endswith(".")
                assert len(answer.number) < 10


@pytest.mark.parametrize("odd", ["a\nb", "<b>", "{x}", "%s"])
def test_names_of_strangers_stay_what_they_are(small, odd):
    (given,) = answered([replace(r, model=odd, method=odd if r.method == "lowest" else r.method) for r in small])
    text = given[0].sentence
    assert (odd in text) != ("\n" in odd)
    assert not any("\n" in answer.sentence + answer.sureness for answer in given)
