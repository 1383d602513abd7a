"""Boxes of inputs around real images, for a pruned and an almost equal network."""

import pytest
import torch
from measured_pairs import measured
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.probes.twins.propagation import Twins
from apcli.stages.bounds.certificate.regions import Settings, around, statements


@pytest.fixture
def noisy(dense, tmp_path):
    """The dense file with weights that are off by a thousandth."""
    torch.manual_seed(0)
    state = {
        name: value + 1e-3 * value.abs().mean() * torch.randn_like(value) for name, value in load_file(dense).items()
    }
    save_file(state, tmp_path / "noisy.safetensors")
    return tmp_path / "noisy.safetensors"


def stated(pair, radius, beta=0.05, draws=1000, boxes=2):
    on_data = pair.on_data
    twins = Twins(on_data.dense, on_data.pruned, on_data.spec.input_size)
    images = around(on_data, boxes)
    settings = Settings(radius, beta, draws, 0)
    return {one.statement: one for one in statements(twins, images, on_data.spec.std, settings, quiet)}


WORST, NOISE, CLASS = "both networks, worst case", "S1, uniform noise", "both networks, same class"


def test_bounds_bound_and_grow_with_the_box(dense, pruned):
    pair = measured(dense, pruned)
    boxes = [stated(pair, radius) for radius in (0.0, 2.0, 20.0)]
    for found in boxes:
        assert {one.standing for one in found.values()} == {"proven"}
        assert all(one.holds for one in found.values())
        assert found[NOISE].value <= found[WORST].value
        assert found[NOISE].measured <= found[WORST].measured
    assert boxes[0][WORST].value < boxes[1][WORST].value < boxes[2][WORST].value
    assert boxes[0][WORST].slack == pytest.approx(1, rel=1e-9), "a point is exact"
    images, on_data = around(pair.on_data, 2), pair.on_data
    with torch.no_grad():
        apart = (on_data.dense(images) - on_data.pruned(images)).abs().max()
    assert boxes[0][WORST].value == pytest.approx(float(apart), rel=1e-4)


def test_almost_equal_networks_are_certified(dense, noisy):
    found = stated(measured(dense, noisy), 4.0, draws=100)
    assert found[WORST].value < 0.1
    assert found[WORST].slack < 20
    assert found[NOISE].value < found[WORST].value, "many independent inputs seldom go the same way"
    near = stated(measured(dense, noisy), 0.1, draws=100)[CLASS]
    assert (near.value, near.measured, near.verdict) == (0, 0, "not contradicted")
    wide = stated(measured(dense, noisy), 500.0, draws=100)
    assert wide[CLASS].verdict == "vacuous", "nothing is known where the images are anything"


def test_the_radius_is_in_grey_levels(dense, noisy):
    """A radius of 255 levels is 1 / std of the normalised input."""
    pair = measured(dense, noisy)
    on_data = pair.on_data
    twins = Twins(on_data.dense, on_data.pruned, on_data.spec.input_size)
    image = around(on_data, 1).double()
    reach = twins.over(image, torch.full_like(image, 0.1 / on_data.spec.std[0])).reach().difference
    expected = float(torch.maximum(reach.high, -reach.low).max())
    assert stated(pair, 25.5, draws=1, boxes=1)[WORST].value == pytest.approx(expected)
