"""Measures over epochs: a line each, bands over networks, gaps on the logarithmic axis."""

from dataclasses import replace

import pytest
from studies import LOOKS, METHODS, areas, dots, drawn_study, lines, rows, words

from apcli.figures.by_epoch import by_method, by_sparsity
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import Point, Series, Study


def test_one_line_per_sparsity_in_each_panel():
    drawing = by_sparsity(drawn_study(), "random")
    assert drawing.title == "random: every sparsity"
    assert {"AP2", "AP3 gaussian", "PD, test loss", "nats", "epoch"} <= set(words(drawing))
    for sparsity in ("sparsity 0.1", "sparsity 0.3", "sparsity 0.8"):
        assert [len(line.places) for line in lines(drawing, sparsity)] == [3, 3, 3]
    assert len({lines(drawing, f"sparsity {s}")[0].color for s in (0.1, 0.3, 0.8)}) == 3
    assert len(areas(drawing)) == 9
    row = next(row for row in rows(drawing) if (row["sparsity"], row["quantity"], row["epoch"]) == (0.1, "AP2", 1))
    assert row["mean"] == pytest.approx(0.105)
    assert (row["lowest"], row["highest"], row["networks"]) == (0.1, pytest.approx(0.11), 2)


def test_one_line_per_method_in_its_colour():
    study = drawn_study()
    drawing = by_method(study, 0.3)
    assert set(METHODS) <= set(words(drawing))
    for method in METHODS:
        assert {line.color for line in lines(drawing, method)} == {LOOKS[method].color}
        assert {mark.shape for mark in dots(drawing, method)} == {LOOKS[method].shape}


def test_one_network_has_no_band():
    assert not areas(by_method(drawn_study(networks=1), 0.3))


def test_zeros_are_gaps_and_said():
    drawing = by_method(drawn_study(zero_at=1), 0.3)
    assert not lines(drawing, "lowest"), "no two neighbours are left"
    assert [len(mark.places) for mark in dots(drawing, "lowest")] == [2, 2, 2]
    assert any("9 left out" in text for text in words(drawing))
    assert not any("left out" in text for text in words(by_method(drawn_study(), 0.3)))


def test_nothing_but_zeros_still_draws():
    zeros = tuple(Series("m", s, "AP2", "", "ap2", (0, 1), (Point((0.0,)),) * 2, None) for s in (0.1, 0.5))
    assert by_sparsity(Study(LOOKS, zeros), "m").marks


@pytest.mark.parametrize("epochs", [(), (0,)])
def test_one_epoch_is_no_figure(epochs):
    with pytest.raises(Missing, match="fewer than two epochs"):
        by_sparsity(drawn_study(epochs=epochs), "lowest")


def test_a_method_alone_at_its_sparsity_is_shown_by_the_other_figure():
    study = drawn_study()
    alone = Study(LOOKS, tuple(s for s in study.series if (s.method, s.sparsity) != ("highest", 0.8)))
    alone = Study(LOOKS, tuple(s for s in alone.series if (s.method, s.sparsity) != ("random", 0.8)))
    with pytest.raises(Missing, match="no two methods"):
        by_method(alone, 0.8)


def test_files_of_unknown_sparsity_are_lines_of_one_figure():
    unknown = tuple(replace(s, sparsity=None) for s in drawn_study().series if s.sparsity == 0.3)
    study = Study(LOOKS, unknown)
    assert study.places == [None]
    drawing = by_method(study, None)
    assert drawing.title == "Sparsity unknown: every method"
    assert len(lines(drawing, "lowest")) == 3
    with pytest.raises(Missing, match="no sparsity is known"):
        by_sparsity(study, "lowest")


def test_many_epochs_have_few_signs():
    drawing = by_method(drawn_study(epochs=tuple(range(31))), 0.3)
    assert [len(line.places) for line in lines(drawing, "lowest")] == [31] * 3
    signs = dots(drawing, "lowest")[0].places
    assert 6 < len(signs) <= 12
    assert signs[-1] == lines(drawing, "lowest")[0].places[-1]
