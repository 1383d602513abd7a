"""Rank correlations: what is best, what is lower, and what has no interval."""

from apcli.figures.ranking import ranking
from apcli.figures.study import PlottedEstimate, Study


def test_the_best_and_the_lower_are_marked():
    first = {"a": PlottedEstimate(0.9, (0.5, 1.0), best=True), "b": PlottedEstimate(0.2, (-0.1, 0.4), lower=True)}
    figure = ranking(Study(rankings={"PD, test": first, "PD, train": {"c": PlottedEstimate(0.3, None)}}))
    assert [axis.get_title() for axis in figure.axes] == ["PD, test", "PD, train"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]
    bar, mark, _, low, _ = figure.axes[0].lines
    assert (list(bar.get_xdata()), list(mark.get_xdata())) == ([0.5, 1.0], [0.9])
    assert mark.get_color() != low.get_color()
    assert (mark.get_markerfacecolor(), low.get_markerfacecolor()) == (mark.get_color(), "white")
    assert list(figure.axes[1].lines[0].get_ydata()) == [2], "the third name, and no bar without an interval"
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1], "the first on top"
