"""Final values over sparsity, and without one."""

import pytest
from studies import METHODS, SPARSITIES, drawn_study, legend

from apcli.figures.over_sparsity import over_sparsity
from apcli.figures.study import Point, Series, Study


def test_final_values_without_epochs():
    figure = over_sparsity(drawn_study(epochs=()))
    assert legend(figure) == list(METHODS)
    for axis in figure.axes:
        assert axis.get_yscale() == "log"
        assert len(axis.containers) == 3
        assert list(axis.get_xticks()) == list(SPARSITIES)


def test_methods_stand_side_by_side_where_sparsity_is_unknown():
    finals = {"m": Point(None), "n": Point(2.0)}
    study = Study(tuple(Series(name, None, "AP2", "", "ap", (), (), final) for name, final in finals.items()))
    (axis,) = over_sparsity(study).axes
    assert [label.get_text() for label in axis.get_xticklabels()] == ["m", "n"]


LONG_NAMES = [f"a method of a long name, {i}" for i in range(14)]


@pytest.mark.slow
@pytest.mark.parametrize(("names", "beside"), [(METHODS, False), (LONG_NAMES, True)])
def test_the_legend_neither_covers_the_title_nor_leaves_the_figure(names, beside):
    measures = ("AP2", "AP3 gaussian", "PD, test loss")
    figure = over_sparsity(
        Study(tuple(Series(n, 0.5, m, "nats", "ap", (), (), Point(1.0)) for n in names for m in measures))
    )
    figure.draw_without_rendering()
    legend_box, title_box = (artist.get_window_extent() for artist in (figure.legends[0], figure.texts[0]))
    assert figure.texts[0].get_text().startswith("final values")
    assert not legend_box.overlaps(title_box)
    assert figure.bbox.x0 <= legend_box.x0 < legend_box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= legend_box.y0 < legend_box.y1 <= figure.bbox.y1
    assert (legend_box.x0 > figure.axes[-1].get_window_extent().x1) == beside
