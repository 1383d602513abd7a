"""What figures draw of bounds."""

from studies import bound_record, limit_records, only_group

from apcli.stages.report.drawing.bounds import plotted_bounds, plotted_limits


def test_bounds_are_drawn_with_what_they_are_about():
    group = only_group([bound_record("lemma", 4.0), bound_record("lemma", float("inf"), file="b")])
    one, endless = plotted_bounds(group)
    assert (one.name, one.method, one.sparsity) == ("lemma, PD", "lowest", 0.5)
    assert (endless.value, endless.verdict) == (None, "vacuous")
    assert (one.value, one.measured, one.slack, one.verdict) == (4.0, 1.0, 4.0, "holds")
    assert plotted_bounds(only_group([bound_record(method=None)]))[0].method == "a.safetensors"


def test_limits_are_in_the_order_of_their_sparsities():
    (one,) = plotted_limits(only_group(limit_records()))
    assert list(one.limits.items()) == [("one-shot", 0.25), ("published limit", 0.75)]
    assert [point.sparsity for point in one.points] == [0.25, 0.75]
    assert (one.eps, one.threshold, one.eigenvalues) == (0.02, 1e-3, ((1e-4, 0.9), (2.0, 0.1)))
    assert plotted_limits(only_group([bound_record()])) == ()
