"""Classes that pay: cells, and many classes."""

from studies import BEHAVED, drawn_study

from apcli.figures.canvas.marks import Area
from apcli.figures.class_changes import class_changes
from apcli.figures.study import PlottedBehaviour


def test_a_cell_for_each_class_and_run_of_what_is_lost():
    drawing = class_changes(drawn_study(behaved=BEHAVED))
    assert drawing.columns["change"][:2] == (-5.0, 2.0)
    named = [mark.name for mark in drawing.marks if isinstance(mark, Area) and mark.name]
    assert named == ["5", "0", "20", "0"], "column by column; what a class gains counts as 0"


def test_of_many_classes_those_that_lose_most():
    classes = {f"class {n}": float(-n) for n in range(100)}
    drawing = class_changes(drawn_study(behaved=(PlottedBehaviour("lowest", 0.3, classes, None, None, {}),)))
    texts = [mark.text for mark in drawing.marks if hasattr(mark, "text")]
    assert "class 99" in texts
    assert "class 3" not in texts
    assert any("60 of 100 classes" in text for text in texts)
    assert len(drawing.columns["class"]) == 100
