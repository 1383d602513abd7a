"""Where the networks part: a line for each method over the layers."""

from studies import BEHAVED, drawn_study

from apcli.figures.canvas.marks import Dots, Line, Words
from apcli.figures.depth_profile import depth_profile


def test_a_panel_for_each_sparsity_with_the_layers_in_order():
    drawing = depth_profile(drawn_study(behaved=BEHAVED))
    texts = [mark.text for mark in drawing.marks if isinstance(mark, Words)]
    assert [text for text in texts if text.startswith("Sparsity")] == ["Sparsity 0.1", "Sparsity 0.3"]
    assert sum(isinstance(mark, Line) and mark.name == "lowest" for mark in drawing.marks) == 2
    assert any(isinstance(mark, Dots) for mark in drawing.marks)
    assert drawing.columns["layer"] == ("conv1", "fc") * 2
    assert drawing.columns["number"] == (1, 2) * 2
    assert drawing.columns["CKA"][:2] == (1.0, 0.5)
