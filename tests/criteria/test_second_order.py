"""Optimal brain damage and the empirical Fisher against explicit derivatives of single images' losses."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from apcli.criteria.second_order import fisher, obd
from apcli.criteria.subject import Subject
from apcli.errors import ApcliError, UsageError

METHODS = [obd, fisher]


def network():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4), nn.ReLU(True), nn.Flatten(), nn.Linear(36, 3)
    )
    nn.init.uniform_(model[1].running_var, 0.5, 2)
    return model.double()


def subject(model, tensors=("0.weight", "4.weight"), size=3, dtype=torch.float64):
    torch.manual_seed(1)
    images, labels = torch.randn(7, 2, 5, 5, dtype=torch.float64).to(dtype), torch.randint(3, (7,))
    return Subject(model, tensors, lambda: zip(images.split(size), labels.split(size), strict=True), dict)


def explicit(given, method):
    """w^2 / 2 times the mean over images of squared gradients, class by class: of p_c, or of the label alone."""
    model = given.model.eval()
    weights = [model.get_parameter(name) for name in given.tensors]
    total = [torch.zeros_like(w) for w in weights]
    images, labels = (torch.cat(part) for part in zip(*given.batches(), strict=True))
    for image, label in zip(images, labels, strict=True):
        log_p = model(image[None])[0].log_softmax(0)
        shares = log_p.detach().exp() if method is obd else F.one_hot(label, 3)
        for c, share in enumerate(shares):
            gradients = torch.autograd.grad(log_p[c], weights, retain_graph=True)
            total = [sums + share * g**2 / len(images) for sums, g in zip(total, gradients, strict=True)]
    return {n: (t * w**2 / 2).detach().numpy() for n, t, w in zip(given.tensors, total, weights, strict=True)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1, 3, 7])
def test_scores_are_explicit_squares_however_images_are_batched(method, size):
    given = subject(network(), size=size)
    before = {name: value.clone() for name, value in given.model.state_dict().items()}
    found = method(given)
    assert all(module.training for module in given.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in given.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in given.model.parameters())
    for name, expected in explicit(given, method).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-11, atol=1e-18)
        assert found[name].dtype == np.float64


def test_obd_is_the_second_order_change_of_the_loss():
    """Where logits are linear in the weights nothing is dropped: finite differences, labels as predicted."""
    model = nn.Sequential(nn.Linear(3, 4, bias=False)).double()
    images = torch.randn(5, 3, dtype=torch.float64)
    weight = model[0].weight.detach()
    p = (images @ weight.T).softmax(1)

    def loss(w):
        return -(p * (images @ w.T).log_softmax(1)).sum(1).mean()

    found = obd(Subject(model, ["0.weight"], lambda: iter([(images, torch.zeros(5, dtype=torch.long))]), dict))
    step = 1e-3
    for index in np.ndindex(4, 3):
        moved = []
        for sign in (1, -1):
            other = weight.clone()
            other[index] *= 1 + sign * step
            moved.append(loss(other))
        second = float(moved[0] + moved[1] - 2 * loss(weight)) / step**2
        assert found["0.weight"][index] == pytest.approx(second / 2, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_names_that_share_a_weight_share_its_scores(method):
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 3)).double()
    model[2].weight = model[0].weight
    images = torch.randn(5, 4, dtype=torch.float64)
    given = Subject(model, ["0.weight"], lambda: iter([(images, torch.tensor([0, 1, 2, 1, 0]))]), dict)
    expected = explicit(given, method)["0.weight"]
    both = method(Subject(model, ["2.weight", "0.weight"], given.batches, dict))
    for name in ("2.weight", "0.weight"):
        np.testing.assert_allclose(both[name], expected, rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_run_in_float32(method, dtype):
    """Squares of gradients of 1e-5 are 0 in float16."""
    model = network().to(dtype)
    with torch.no_grad():
        model[4].weight *= 1e-3
    found = method(subject(model, dtype=dtype))
    assert all(parameter.dtype == dtype for parameter in model.parameters())
    given = subject(network(), dtype=dtype)
    given.model.load_state_dict(model.state_dict())
    exact = explicit(
        Subject(given.model, given.tensors, lambda: ((x.double(), y) for x, y in given.batches()), dict), method
    )
    for name, expected in exact.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-5 * expected.max())


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_derivatives_is_refused(method):
    model = network()
    with pytest.raises(UsageError, match=r"1.running_var is a buffer.*--exclude"):
        method(subject(model, ["1.running_var"]))
    with pytest.raises(UsageError, match=r"tensor gone.weight is no parameter.*--exclude gone"):
        method(subject(model, ["gone.weight"]))
    model[4].weight.data[0, 0] = 1e200
    with pytest.raises(ApcliError, match="NaN or Inf"):
        method(subject(model))
