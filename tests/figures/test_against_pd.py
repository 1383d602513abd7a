"""PD against divergences."""

import pytest
from studies import drawn_study, lines, rows, words

from apcli.figures.against_pd import against_pd
from apcli.figures.canvas.marks import Missing

TARGETS = (("test", "pd"), ("train", "pd"))


def test_a_panel_for_each_pair_with_its_tau():
    drawing = against_pd(drawn_study(agreements={("AP2", "PD, test loss"): "τ 0.50 final"}))
    assert words(drawing).count("PD, test loss, nats") == 2
    assert {"AP2, nats", "AP3 gaussian, nats", "τ 0.50 final", "just pruned"} <= set(words(drawing))
    assert [len(line.places) for line in lines(drawing, "lowest at 0.3")] == [2, 2]
    first = rows(drawing)[0]
    assert (first["method"], first["sparsity"], first["moment"]) == ("lowest", 0.1, "just pruned")
    assert first["AP2"] == pytest.approx(0.105)
    assert len(rows(drawing)) == 18


def test_runs_without_epochs_are_points():
    drawing = against_pd(drawn_study(epochs=()))
    assert not lines(drawing, "lowest at 0.3")
    assert "just pruned" not in words(drawing)
    assert {row["moment"] for row in rows(drawing)} == {"final"}


def test_many_measures_wrap_by_target():
    measures = [*((f"AP {i}", "ap3") for i in range(6)), *TARGETS]
    texts = words(against_pd(drawn_study(epochs=(), measures=measures)))
    assert [text for text in texts if text in ("test, nats", "train, nats")] == ["test, nats"] * 6 + ["train, nats"] * 6


@pytest.mark.parametrize("measures", [TARGETS, [("AP2", "ap2")]])
def test_both_are_needed(measures):
    with pytest.raises(Missing, match="no divergence and PD"):
        against_pd(drawn_study(measures=measures))
