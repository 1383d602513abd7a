"""Numbers as people write them, and lists of them."""

import pytest

from apcli.registry.numbers import has_decimal_commas, hint, number_meant, numbers_meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("50%", "0.5"),
        ("12.5 %", "0.125"),
        (".5 percent", "0.005"),
        ("1/2", "0.5"),
        ("1 / 8", "0.125"),
        ("0,5", "0.5"),
        ("1,25", "1.25"),
        (".5,", ".5"),
        ("1e-3;", "1e-3"),
        ("100%", ""),
        ("1/0", ""),
        ("2x", ""),
        ("few", ""),
        ("", ""),
        ("0.1,0.3", ""),
    ],
)
def test_one_number(given, meant):
    assert number_meant(given) == meant
    assert not meant or float(meant) == float(numbers_meant(given.replace("1,25", "1.25")))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("50%,80%", "0.5,0.8"),
        ("50 %, 80 %", "0.5,0.8"),
        ("0.1 0.3", "0.1,0.3"),
        ("0.1;0.3;", "0.1,0.3"),
        ("1/2,1/4", "0.5,0.25"),
        ("0,3,0,5", "0.3,0.5"),
        ("0,3; 0,05", "0.3,0.05"),
        ("0,3 0,5", "0.3,0.5"),
        ("0.1,few", ""),
        (",", ""),
    ],
)
def test_several(given, meant):
    assert numbers_meant(given) == meant


@pytest.mark.parametrize("given", ["0,5", "0,05", "0,3,0,5", " 0,3 0,5"])
def test_decimal_commas(given):
    assert has_decimal_commas(given)


@pytest.mark.parametrize("given", ["0", "0.5", "0.1,0.3", "0,0.5", "0,0", "0.3,0,5", "1,5"])
def test_lists_of_shares_have_none(given):
    assert not has_decimal_commas(given)


def test_a_hint_ends_a_message_if_there_is_one():
    assert (hint("0.5"), hint("")) == (": give 0.5", "")
