"""Colours can be seen on both papers, and methods are told apart."""

import pytest

from apcli.figures.canvas.colors import DARK, LIGHT, Look, heat, looks, ordered, shade, variables


def luminance(color):
    """WCAG 2.1, relative luminance."""
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_marks_and_text_can_be_seen(colors):
    paper = colors["paper"]
    for name, color in colors.items():
        if name.startswith(("method", "control", "shade")):
            assert contrast(color, paper) >= 3, name
    assert min(contrast(colors[name], paper) for name in ("ink", "soft")) >= 4.5


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_text_on_a_cell_can_be_read(colors):
    for share in range(11):
        cell, text = heat(share / 10)
        assert contrast(colors[cell], colors[text]) >= 4.5, cell


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_more_is_further_from_the_paper(colors):
    steps = [contrast(colors[heat(share / 8)[0]], colors["paper"]) for share in range(9)]
    assert steps == sorted(steps)
    assert len(set(steps)) == 9


def test_colours_and_signs_come_again_only_after_all_pairs():
    made = looks([f"method {number}" for number in range(36)], ["random", "other", "third", "fourth"])
    assert len({(look.color, look.shape) for look in made.values()}) == 40
    assert {look.dash for name, look in made.items() if name.startswith("method")} == {"solid"}
    assert {made[name].dash for name in ("random", "other")} == {"dotted"}
    assert not {made["random"].shape, made["other"].shape} & {made[f"method {n}"].shape for n in range(36)}


def test_an_order_has_ends():
    assert (shade(0.0), shade(1.0)) == ("shade-1", "shade-8")
    assert (ordered(0, 8), ordered(6, 8), ordered(7, 8)) == (
        Look("shade-1", "o"),
        Look("shade-7", "o"),
        Look("shade-8", "s"),
    )
    assert ordered(0, 1) == Look("shade-1", "o")


def test_variables_are_declarations():
    assert variables({"ink": "#000000", "paper": "#ffffff"}) == "--ink: #000000; --paper: #ffffff;"
