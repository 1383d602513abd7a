"""PNG and PDF: the same numbers give the same bytes, and nothing is left behind."""

import io

import pytest
from matplotlib import image, pyplot, rc_context
from studies import drawn_study

from apcli.figures.by_epoch import by_method
from apcli.figures.canvas.marks import Area, Dots, Drawing, Line, Words
from apcli.figures.canvas.prints import pdf, png

MARKS = (
    Area([(10, 10), (90, 10), (90, 40), (10, 40)], "method-1"),
    Line([(0, 45), (100, 45)], "method-2", 4, "dashed"),
    Dots([(50, 25)], "method-3", "s", 5),
    Words((95, 25), r"$\frac", turned=True),
)
SMALL = Drawing("A title", "", 100, 50, MARKS, {})


@pytest.mark.slow
@pytest.mark.parametrize("form", [png, pdf])
def test_the_same_numbers_give_the_same_bytes(form):
    first = form(by_method(drawn_study(), 0.3))
    with rc_context({"font.size": 30, "axes.facecolor": "black"}):
        second = form(by_method(drawn_study(), 0.3))
    assert first == second
    assert first != form(by_method(drawn_study(), 0.8))
    assert not any(word in first for word in (b"Software", b"CreationDate", b"Matplotlib v"))


@pytest.mark.slow
def test_marks_stand_at_their_places():
    pixels = image.imread(io.BytesIO(png(SMALL)))
    assert pixels.shape[:2] == (100, 200)
    colors = {
        place: tuple(round(255 * c) for c in pixels[2 * place[1], 2 * place[0]][:3])
        for place in [(20, 30), (50, 25), (5, 5)]
    }
    assert colors == {(20, 30): (0x00, 0x72, 0xB2), (50, 25): (0x00, 0x80, 0x5C), (5, 5): (255, 255, 255)}


@pytest.mark.slow
def test_no_figure_is_left_open_and_settings_are_restored():
    before = dict(pyplot.rcParams)
    assert pdf(SMALL).startswith(b"%PDF")
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before
