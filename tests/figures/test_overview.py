"""The study at a glance."""

import pytest
from studies import METHODS, accuracies, dots, drawn_study, lines, words

from apcli.figures.canvas.colors import looks
from apcli.figures.canvas.marks import Missing, Words
from apcli.figures.canvas.panels import NARROW, WIDTH
from apcli.figures.overview import overview
from apcli.figures.study import Curve, PlottedEstimate, Point, Study

RANKINGS = {"PD": {"AP2": PlottedEstimate(0.5, None), "AP3 gaussian": PlottedEstimate(0.9, None, best=True)}}


def test_just_pruned_is_dashed_and_final_is_solid_or_dotted():
    drawing = overview(drawn_study(**accuracies()))
    assert [line.dash for line in lines(drawing, "lowest")] == ["dashed", "solid"]
    assert [line.dash for line in lines(drawing, "random")] == ["dashed", "dotted"]
    assert [mark.hollow for mark in dots(drawing, "lowest")] == [True, False]
    assert set(METHODS) <= set(words(drawing)), "names at the ends of lines"


def test_a_path_for_each_network_in_the_plane_of_the_best_measure():
    drawing = overview(drawn_study(rankings=RANKINGS, **accuracies()))
    assert "AP3 gaussian, nats" in words(drawing)
    assert [len(line.places) for line in lines(drawing, "lowest at 0.3")] == [3, 3]
    assert "AP2, nats" in words(overview(drawn_study(**accuracies())))


def test_without_pd_the_accuracies_stand_alone():
    drawing = overview(drawn_study(measures=(("AP2", "ap2"),), **accuracies()))
    assert "AP2, nats" not in words(drawing)
    assert max(x for line in lines(drawing, "lowest") for x, _ in line.places) > 400


def test_without_accuracies_there_is_no_overview():
    with pytest.raises(Missing):
        overview(drawn_study())


def test_on_a_narrow_screen_the_panels_stand_below_each_other():
    study = drawn_study(rankings=RANKINGS, **accuracies())
    wide, narrow = overview(study), overview(study, NARROW)
    assert (wide.width, narrow.width) == (WIDTH, NARROW)
    places = [place for mark in narrow.marks if not isinstance(mark, Words) for place in mark.places]
    assert max(x for x, _ in places) <= NARROW
    lowest = max(y for line in lines(narrow, "lowest") for _, y in line.places)
    assert lowest < min(y for line in lines(narrow, "lowest at 0.3") for _, y in line.places)
    assert narrow.columns == wide.columns


def test_more_names_than_there_is_room_for_are_in_the_legend():
    names = [f"method {number}" for number in range(30)]
    curves = tuple(Curve(name, {0.1: Point((90.0,)), 0.5: Point((80.0,))}) for name in names)
    drawing = overview(Study(looks(names, []), accuracies={"pruned": curves}))
    assert set(names) <= set(words(drawing))
    first = next(mark for mark in drawing.marks if isinstance(mark, Words) and mark.text == "method 0")
    assert first.place[1] < 60, "in the legend, above the axes"
