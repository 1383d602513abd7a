"""The scatter of PD against AP."""

import pytest
from studies import drawn_study

from apcli.figures.ap_against_pd import ap_against_pd


def test_a_mark_per_run():
    figure = ap_against_pd(drawn_study())
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    assert axis.get_xlabel() == "AP2 (nats)"
    assert axis.get_ylabel() == "PD, test loss (nats)"
    assert len(axis.collections) == 9
    sizes = [marks.get_sizes()[0] for marks in axis.collections[:3]]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3
    assert len({tuple(marks.get_facecolor()[0]) for marks in axis.collections}) == 3


@pytest.mark.slow
def test_many_measures_wrap_by_target():
    measures = [*((f"AP {i}", "ap") for i in range(6)), ("test", "pd"), ("train", "pd")]
    figure = ap_against_pd(drawn_study(epochs=(), measures=measures))
    names = [(axis.get_ylabel(), axis.get_xlabel()) for axis in figure.axes]
    assert names == [(f"{pd} (nats)", f"AP {i} (nats)") for pd in ("test", "train") for i in range(6)]
    assert len({axis.get_position().y0 for axis in figure.axes}) == 4, "two rows for each target"
