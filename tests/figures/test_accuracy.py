"""The accuracy figure with more methods than there are colours, and with nothing known."""

from apcli.figures.accuracy import accuracy
from apcli.figures.study import Curve, Point, Study


def test_sixteen_methods_look_different():
    curves = tuple(Curve(f"method {i}", False, {0.5: Point(90.0 - i), 0.98: Point(50.0 - i, 1.0)}) for i in range(16))
    study = Study(accuracies={"pruned": curves}, dense_accuracy=92.0)
    figure = accuracy(study)
    lines = [container.lines[0] for container in figure.axes[0].containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 16
    assert len(figure.legends[0].get_texts()) == 17


def test_what_is_not_known_is_no_line():
    curves = (Curve("a", False, {0.5: Point(None)}), Curve("random", True, {}))
    assert not accuracy(Study(accuracies={"pruned": curves})).axes[0].containers
