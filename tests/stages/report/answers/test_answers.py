"""The answers together: few, in plain text, and each with its evidence."""

from dataclasses import replace

import pytest
from behaviours import behaviours_of
from studies import bound_record, limit_records, with_files

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


def test_answers_stand_in_one_order(small):
    of_theories = [bound_record(), *limit_records()]
    (given,) = answered([*small, *behaviours_of(small), *of_theories])
    anchors = [answer.anchor for answer in given]
    assert anchors == ["accuracy", "cost", "order", "behaviour", "bounds", "limit"]
    (without_runs,) = answered(of_theories)
    assert [answer.anchor for answer in without_runs] == anchors[-2:]


@pytest.mark.parametrize("odd", ["a\nb", "<b>", "{x}", "%s"])
def test_names_of_strangers_stay_what_they_are(small, odd):
    (given,) = answered([replace(r, model=odd, method=odd if r.method == "lowest" else r.method) for r in small])
    text = given[0].sentence
    assert (odd in text) != ("\n" in odd)
    assert not any("\n" in answer.sentence + answer.sureness for answer in given)
