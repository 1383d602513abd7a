"""AP3 on the scale of the paper."""

from dataclasses import replace

import pytest
from studies import only_group, variant

from apcli.errors import UsageError
from apcli.stages.report.drawing.published import on_published_scale
from apcli.stages.report.runs.quantities import measures_of

LABEL = "AP3 gaussian (published scale, σ² = "


def values(group, dist):
    """By network and epoch."""
    (measure,) = (m for m in group.measures if m.dist == dist)
    found = {}
    for run in group.runs:
        for trial in run.trials:
            found |= {(trial.name, e): v for (key, e), v in trial.values.items() if key == measure.key}
    return found, measure


def test_one_sigma_is_set_by_the_largest_ap2_of_all_networks_and_epochs(small):
    group = only_group(small)
    ap2, _ = values(group, "ap2")
    shown, measure = values(on_published_scale(group), "gaussian")
    variance = max(ap2.values()) / 3.8
    assert shown == {at: pytest.approx(value / (2 * variance)) for at, value in ap2.items()}
    assert max(shown.values()) == pytest.approx(1.9)
    assert measure.label == f"{LABEL}{variance:.3g})"
    assert measure.unit == "nats"
    assert [m.label for m in on_published_scale(group).measures] == ["AP2", measure.label, "AP3 student-t"]
    assert values(on_published_scale(group), "student-t") == values(group, "student-t")


def test_records_of_another_scale_give_the_same(small):
    wider = [
        replace(r, params={**r.params, "scale": 0.1}, value=r.value / 0.01) if r.dist == "gaussian" else r
        for r in small
    ]
    expected, measure = values(on_published_scale(only_group(small)), "gaussian")
    shown, again = values(on_published_scale(only_group(wider)), "gaussian")
    assert shown == {at: pytest.approx(value) for at, value in expected.items()}
    assert again.label == measure.label


def test_ap2_alone_is_enough(small):
    group = only_group(variant(small, "ap2"))
    shown, measure = values(on_published_scale(group), "gaussian")
    expected, other = values(on_published_scale(only_group(small)), "gaussian")
    assert shown == {at: pytest.approx(value) for at, value in expected.items()}
    assert measure.label == other.label
    assert [m.label for m in on_published_scale(group).measures] == ["AP2", measure.label]
    assert values(on_published_scale(group), "ap2") == values(group, "ap2")


def test_layers_are_on_the_same_scale(small):
    group = on_published_scale(only_group(small))
    _, measure = values(group, "gaussian")
    trial = group.runs[0].trials[0]
    assert trial.by_layer["fc"].values[measure.key] == pytest.approx(trial.final(measure.key))


@pytest.mark.parametrize("params", [{"cov": "fisher"}, {"groups": 100}, {"pruned_scale": 2.0}])
def test_other_gaussians_are_not_of_one_variance(small, params):
    records = [replace(r, params={**r.params, **params}) for r in variant(small, "gaussian")]
    assert len(measures_of(records)) == 1
    with pytest.raises(UsageError, match="neither AP2 nor a Gaussian AP3 of one variance"):
        on_published_scale(only_group(records))


def test_nothing_moved_is_left_as_it_is(small):
    group = only_group([replace(r, value=0.0) for r in small])
    assert on_published_scale(group) is group
