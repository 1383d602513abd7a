"""Final values over sparsity, and without one."""

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
