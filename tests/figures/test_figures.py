import pytest
from matplotlib import pyplot, rc_context

from apcli import figures
from apcli.figures import Estimate, Point, Series

METHODS, SPARSITIES, MEASURES = (
    ("lowest", "random", "highest"),
    (0.1, 0.3, 0.8),
    (("AP2", "ap"), ("PD, test loss", "pd")),
)


def grid(epochs=(0, 1, 2), sd=0.1, zero_at=None):
    return [
        Series(
            method, sparsity, measure, "nats", kind, tuple(epochs),
            tuple(Point(0.0 if e == zero_at else (m + 1) * sparsity * 2.0**-e, sd and sd * sparsity) for e in epochs),
            Point((m + 1) * sparsity, sd),
        )
        for m, method in enumerate(METHODS) for sparsity in SPARSITIES for measure, kind in MEASURES
    ]  # fmt: skip


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_one_line_per_sparsity_on_a_log_axis():
    figure = figures.by_sparsity(grid(), "random")
    assert [axis.get_title() for axis in figure.axes] == ["AP2", "PD, test loss"]
    for axis in figure.axes:
        assert axis.get_yscale() == "log"
        assert axis.get_xlabel() == "fine-tuning epoch"
        assert axis.get_ylabel() == "nats"
        assert (len(axis.lines), len(axis.collections)) == (3, 3), "a line and a band each"
    assert list(figure.axes[0].lines[0].get_ydata()) == [0.2, 0.1, 0.05]
    assert legend(figure) == ["sparsity 0.1", "sparsity 0.3", "sparsity 0.8"]


def test_one_line_per_method_in_colours_of_their_own():
    data = grid()
    figure = figures.by_method(data, 0.3)
    assert legend(figure) == list(METHODS)
    colors = [line.get_color() for line in figure.axes[0].lines]
    assert len(set(colors)) == 3
    assert colors == [line.get_color() for line in figures.by_method(data, 0.8).axes[1].lines]


def test_one_seed_has_no_band():
    assert not figures.by_method(grid(sd=None), 0.3).axes[0].collections


def test_zeros_are_gaps_and_said():
    figure = figures.by_method(grid(zero_at=1), 0.3)
    values = figure.axes[0].lines[0].get_ydata()
    assert values[0] > 0
    assert values[1] != values[1]
    assert values[2] > 0
    assert figure.get_supxlabel() == figures.GAPS.format(6)
    assert figures.by_method(grid(), 0.3).get_supxlabel() == ""


def test_nothing_but_zeros_still_draws():
    data = [Series("m", 0.1, "AP2", "", "ap", (0,), (Point(0.0),), Point(0.0))]
    assert figures.svg(figures.by_sparsity(data, "m"))
    assert figures.svg(figures.over_sparsity(data))
    unknown = [
        Series("m", None, "AP2", "", "ap", (), (), Point(None)),
        Series("n", None, "AP2", "", "ap", (), (), Point(2)),
    ]
    assert figures.png(figures.over_sparsity(unknown)).startswith(b"\x89PNG")


def test_final_values_without_epochs():
    figure = figures.over_sparsity(grid(epochs=()))
    assert legend(figure) == list(METHODS)
    for axis in figure.axes:
        assert axis.get_yscale() == "log"
        assert len(axis.containers) == 3
        assert list(axis.get_xticks()) == list(SPARSITIES)


def test_scatter_has_a_mark_per_run():
    figure = figures.ap_against_pd(grid())
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "AP2 (nats)"
    assert axis.get_ylabel() == "PD, test loss (nats)"
    assert len(axis.collections) == 9
    sizes = [marks.get_sizes()[0] for marks in axis.collections[:3]]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    assert len({tuple(marks.get_facecolor()[0]) for marks in axis.collections}) == 3


def test_scatter_of_many_measures_wraps_by_target():
    wide = [Series(s.method, s.sparsity, f"AP {i}", "nats", "ap", (), (), s.final) for s in grid() for i in range(6)]
    pds = [
        Series(s.method, s.sparsity, name, "nats", "pd", (), (), s.final) for s in grid() for name in ("test", "train")
    ]
    figure = figures.ap_against_pd([*wide, *pds])
    names = [(axis.get_ylabel(), axis.get_xlabel()) for axis in figure.axes]
    assert names == [(f"{pd} (nats)", f"AP {i} (nats)") for pd in ("test", "train") for i in range(6)]
    assert len({axis.get_position().y0 for axis in figure.axes}) == 4, "two rows for each target"


def test_ranking_marks_the_best_and_what_is_lower():
    first = {"a": Estimate(0.9, (0.5, 1.0), best=True), "b": Estimate(0.2, (-0.1, 0.4), lower=True)}
    figure = figures.ranking({"PD, test": first, "PD, train": {"c": Estimate(0.3, None)}})
    assert [axis.get_title() for axis in figure.axes] == ["PD, test", "PD, train"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]
    bar, mark, _, low, _ = figure.axes[0].lines
    assert (list(bar.get_xdata()), list(mark.get_xdata())) == ([0.5, 1.0], [0.9])
    assert mark.get_color() != low.get_color()
    assert (mark.get_markerfacecolor(), low.get_markerfacecolor()) == (mark.get_color(), "white")
    assert list(figure.axes[1].lines[0].get_ydata()) == [2], "the third name, and no bar without an interval"
    assert figure.axes[0].get_ylim()[0] > figure.axes[0].get_ylim()[1], "the first on top"


@pytest.mark.parametrize("form", [figures.svg, figures.png])
def test_the_same_numbers_give_the_same_bytes(form):
    first = form(figures.by_method(grid(), 0.3))
    with rc_context({"font.size": 30, "axes.facecolor": "black", "svg.hashsalt": None}):
        second = form(figures.by_method(grid(), 0.3))
    assert first == second
    assert first != form(figures.by_method(grid(), 0.8))
    assert not any(word in first for word in (b"<dc:date>", b"Software", b"matplotlib.org", b"Matplotlib v"))


def test_no_figure_is_left_open_and_settings_are_restored():
    before = dict(pyplot.rcParams)
    figures.svg(figures.ap_against_pd(grid()))
    assert pyplot.get_fignums() == []
    assert dict(pyplot.rcParams) == before


def test_names_are_not_mathematics():
    data = [Series(r"$\frac", 0.1, "AP2", "", "ap", (0,), (Point(1.0),), Point(1.0)),
            Series(r"$x$", 0.1, "AP2", "", "ap", (0,), (Point(2.0),), Point(1.0))]  # fmt: skip
    assert b"<svg" in figures.svg(figures.by_method(data, 0.1))
