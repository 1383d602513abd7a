"""The accuracy figure with more methods than there are colours, and with nothing known."""

from apcli.figures import MARKERS, PALETTE, Point, mark, png
from apcli.figures.accuracy import Curve, over_sparsity


def test_sixteen_methods_look_different():
    curves = [Curve(f"method {i}", False, {0.5: Point(90.0 - i), 0.98: Point(50.0 - i, 1.0)}) for i in range(16)]
    figure = over_sparsity({"pruned": curves}, 92.0)
    lines = [container.lines[0] for container in figure.axes[0].containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 16
    assert len(figure.legends[0].get_texts()) == 17
    assert png(figure) == png(over_sparsity({"pruned": curves}, 92.0))


def test_colours_and_markers_come_again_only_after_all_pairs():
    methods = [str(index) for index in range(len(PALETTE) * len(MARKERS))]
    assert len({mark(methods, method) for method in methods}) == len(methods)


def test_what_is_not_known_is_no_line():
    figure = over_sparsity({"pruned": [Curve("a", False, {0.5: Point(None)}), Curve("random", True, {})]}, None)
    assert not figure.axes[0].containers
