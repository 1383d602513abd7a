"""AP3 against AP2."""

import pytest
from studies import drawn_study, lines, rows, words

from apcli.figures.ap2_against_ap3 import ap2_against_ap3
from apcli.figures.canvas.marks import Missing

MEASURES = (("AP2", "ap2"), ("AP3 gaussian", "ap3"), ("AP3 laplace", "ap3"), ("PD, test loss", "pd"))


def test_a_panel_for_each_ap3_and_a_path_for_each_network():
    drawing = ap2_against_ap3(drawn_study(measures=MEASURES))
    assert {"AP3 gaussian", "AP3 laplace", "AP2, nats"} <= set(words(drawing))
    assert "PD, test loss" not in words(drawing)
    assert [len(line.places) for line in lines(drawing, "lowest at 0.3")] == [3] * 4
    assert len(rows(drawing)) == 3 * 3 * 2 * 3
    assert [name for name in drawing.columns if name.startswith("AP")] == ["AP2", "AP3 gaussian", "AP3 laplace"]
    assert rows(drawing)[1]["epoch"] == 1


def test_files_as_they_stand_are_points():
    drawing = ap2_against_ap3(drawn_study(epochs=(), networks=1, measures=MEASURES))
    assert not lines(drawing, "lowest at 0.3")
    assert {row["epoch"] for row in rows(drawing)} == {None}


@pytest.mark.parametrize("measures", [MEASURES[:1], MEASURES[1:]])
def test_both_are_needed(measures):
    with pytest.raises(Missing, match="AP2 and an AP3"):
        ap2_against_ap3(drawn_study(measures=measures))
