"""How far bounds are from measurements: a row for each statement, exact in the middle."""

import pytest
from studies import dots, lines, rows, words

from apcli.figures.bound_slack import bound_slack
from apcli.figures.canvas.marks import Missing
from apcli.figures.study import PlottedBound, Study


def bound(name, slack, verdict="holds", measured=1.0):
    return PlottedBound(name, "PD", "lowest", 0.5, 2.0, measured, slack, verdict)


def other(name, of="AP2", slack=2.0):
    return PlottedBound(name, of, "lowest", 0.5, 2.0, 1.0, slack, "holds")


def test_broken_bounds_are_left_of_exact_ones():
    drawn = (bound("a", 1.0), bound("a", 1e6), bound("b", 0.1, "broken"), bound("b", 10.0, "assumption fails"))
    drawing = bound_slack(Study(bounds=drawn))
    assert {"a", "b", "holds", "broken", "assumption fails"} <= set(words(drawing))
    assert not {"vacuous", "not contradicted"} & set(words(drawing)), "verdicts that no bound has"
    (exact,), (holds,), (broken,) = lines(drawing, "exact"), dots(drawing, "a: holds"), dots(drawing, "b: broken")
    (idle,) = dots(drawing, "b: assumption fails")
    middle = exact.places[0][0]
    assert holds.places[0][0] == pytest.approx(middle)
    assert holds.places[1][0] > middle > broken.places[0][0]
    assert (idle.hollow, broken.hollow, holds.hollow) == (True, False, False)
    assert holds.places[0][1] < broken.places[0][1], "the first statement is on top"
    assert [row["ratio"] for row in rows(drawing)] == [1.0, 1e6, 0.1, 10.0]


def test_performance_differences_have_a_scale_of_their_own():
    drawing = bound_slack(Study(bounds=(other("c", slack=1e40), other("c", slack=1e15), bound("a", 10.0))))
    assert words(drawing).index("Performance difference") < words(drawing).index("Other quantities")
    (of_pd,), (rest,) = dots(drawing, "a: holds"), dots(drawing, "c: holds")
    assert of_pd.places[0][1] < rest.places[0][1]
    assert len(lines(drawing, "exact")) == 2
    assert of_pd.places[0][0] - lines(drawing, "exact")[0].places[0][0] > 50, "not beside the other's 40 powers of ten"
    assert rest.places[0][0] < rest.places[1][0] + 20, "a ratio without end stands at the end of the axis"
    assert any(text.startswith("1 of the bounds are more than 10¹⁵ times") for text in words(drawing))


def test_a_statement_about_several_quantities_has_their_names():
    drawing = bound_slack(Study(bounds=(other("c", "AP2"), other("c", "AP3"), other("d"))))
    assert {"c, AP2", "c, AP3", "d"} <= set(words(drawing))


def test_bounds_that_cannot_be_told_apart_are_one_sign_and_all_are_in_the_data():
    drawing = bound_slack(Study(bounds=tuple(bound("a", 3.0 + 1e-6 * k) for k in range(500))))
    (holds,) = dots(drawing, "a: holds")
    assert (len(holds.places), len(rows(drawing))) == (1, 500)


@pytest.mark.parametrize("bounds", [(), (bound("a", None),)])
def test_without_a_measurement_there_is_no_figure(bounds):
    with pytest.raises(Missing):
        bound_slack(Study(bounds=bounds))
