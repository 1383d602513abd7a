"""Measures over epochs: a line each, bands over seeds, gaps on the log axis."""

from studies import METHODS, drawn_study, legend

from apcli.figures.axes import GAPS
from apcli.figures.by_epoch import by_method, by_sparsity


def test_one_line_per_sparsity_on_a_log_axis():
    figure = by_sparsity(drawn_study(), "random")
    assert [axis.get_title() for axis in figure.axes] == ["AP2", "PD, test loss"]
    for axis in figure.axes:
        assert axis.get_yscale() == "log"
        assert axis.get_xlabel() == "fine-tuning epoch"
        assert axis.get_ylabel() == "nats"
        assert (len(axis.lines), len(axis.collections)) == (3, 3), "a line and a band each"
    assert list(figure.axes[0].lines[0].get_ydata()) == [0.2, 0.1, 0.05]
    assert legend(figure) == ["sparsity 0.1", "sparsity 0.3", "sparsity 0.8"]


def test_one_line_per_method_in_colours_of_their_own():
    study = drawn_study()
    figure = by_method(study, 0.3)
    assert legend(figure) == list(METHODS)
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert len(set(colors)) == 3
    assert colors == [line.get_color() for line in by_method(study, 0.8).axes[1].lines]


def test_one_seed_has_no_band():
    assert not by_method(drawn_study(sd=None), 0.3).axes[0].collections


def test_zeros_are_gaps_and_said():
    figure = by_method(drawn_study(zero_at=1), 0.3)
    values = figure.axes[0].lines[0].get_ydata()
    assert values[0] > 0
    assert values[1] != values[1]
    assert values[2] > 0
    assert figure.get_supxlabel() == GAPS.format(6)
    assert by_method(drawn_study(), 0.3).get_supxlabel() == ""
