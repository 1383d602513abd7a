"""Where the limit is, in words."""

from studies import bound_record, limit_records, only_group

from apcli.stages.report.answers.theory.limit import on_limit


def test_what_was_measured_is_said_before_what_theories_allow():
    found = on_limit(only_group(limit_records()))
    assert found.sentence == (
        "So that the training loss rises by at most 0.02 nats, 25 % (one-shot) may go, as measured. Theories allow "
        "75 % (published limit)."
    )
    assert (found.number, found.anchor, found.sureness) == ("25 %", "limit", "1 network.")


def test_several_networks_have_a_range():
    found = on_limit(only_group([*limit_records(), *limit_records(dense="b", **{"one-shot": 0.6})]))
    assert found.number == "25 % to 40 %"
    assert "75 % (published limit)" in found.sentence
    assert found.sureness == "2 networks."


def test_without_a_limit_there_is_no_such_answer():
    assert on_limit(only_group([bound_record()])) is None
