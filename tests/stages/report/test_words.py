"""Numbers in words."""

from apcli.stages.report.words import beside, bracketed, is_point, percent, sentences, signed


def test_shares_in_percent():
    assert [percent(share) for share in (0.8, 0.07, 0.299, 1.0)] == ["80 %", "7 %", "29.9 %", "100 %"]


def test_numbers_have_a_proper_minus():
    assert [signed(number) for number in (0.5, -0.126)] == ["0.50", "−0.13"]
    assert [bracketed(interval) for interval in ((-1.0, 0.25), None)] == ["[−1.00, 0.25]", ""]


def test_an_interval_without_width_is_no_certainty():
    assert beside("1.00", (1.0, 1.0), 5) == "1.00, the same in all 5 networks"
    assert beside("0.50", (0.25, 0.75), 5) == "0.50 [0.25, 0.75]"
    assert beside("0.50", None, 2) == "0.50"
    assert is_point((1 / 3, 1 / 3 + 1e-15))
    assert not is_point((0.5, 0.501))


def test_a_text_has_its_sentences():
    assert sentences("At 0.5 it is. Then, see a.b it was.") == ["At 0.5 it is.", "Then, see a.b it was."]
    assert sentences("") == [""]
