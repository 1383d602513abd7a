"""Products with the curvature against dense matrices, finite differences of gradients, and published digits."""

import numpy as np
import pytest
import timm
import torch
import torchvision
from odd_layers import Cube, Odd
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn import functional as F

from apcli.errors import ApcliError
from apcli.probes import curvature, products
from apcli.probes.products import Curvature, cross_entropy, gauss_newton, hessian
from apcli.probes.undisturbed import undisturbed
from apcli.theory.limit.spectra import rademacher, spectrum
from apcli.theory.numerics.lanczos import extremes

BOTH = pytest.mark.parametrize("made_by", [hessian, gauss_newton])


def mean_loss(case, weights, loss=cross_entropy):
    output = torch.func.functional_call(case.model, weights, (case.images,))
    return loss(output[0] if isinstance(output, tuple) else output, case.labels) / len(case.images)


def dense_hessian(case, loss=cross_entropy):
    """By autograd, row by row."""
    with undisturbed(case.model):
        weights = {name: case.model.get_parameter(name).detach().clone().requires_grad_() for name in case.tensors}
        slopes = torch.autograd.grad(mean_loss(case, weights, loss), tuple(weights.values()), create_graph=True)
        flat = torch.cat([slope.flatten() for slope in slopes])
        rows = [
            torch.autograd.grad(one, tuple(weights.values()), retain_graph=True, materialize_grads=True) for one in flat
        ]
    return np.array([torch.cat([part.flatten() for part in row]).numpy() for row in rows]), flat.detach().numpy()


def dense_gauss_newton(case):
    case.model.eval()
    weights = [case.model.get_parameter(name) for name in case.tensors]
    total = 0.0
    for image in case.images:
        output = case.model(image[None])
        logits = (output[0] if isinstance(output, tuple) else output)[0]
        rows = [torch.autograd.grad(z, weights, retain_graph=True, materialize_grads=True) for z in logits]
        jacobian = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
        p = logits.detach().softmax(0)
        total = total + jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian / len(case.images)
    return total.numpy()


def vectors(size, count=3, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size))


def of_layer(module):
    """A fully connected layer's inputs and labels, as the digits' source has them."""
    h = torch.tensor([[np.sin(1.3 * n + 0.7 * j + 0.2) for j in range(4)] for n in range(12)], dtype=torch.float64)
    module.weight.data = torch.tensor([[np.cos(0.9 * k + 0.4 * j) for j in range(4)] for k in range(3)])
    labels = torch.arange(12) % 3
    return lambda: zip(h.split(5), labels.split(5), strict=True)


# ---- the matrices


@pytest.mark.slow
def test_the_hessian_is_that_of_autograd(case, unchanged, caplog):
    check = unchanged(case.model)
    with caplog.at_level("INFO", logger="apcli"):
        found = hessian(case.model, case.tensors, case.batches())
        results = [found.matvec(v) for v in vectors(found.size)]
        gradient = found.gradient()
    check()
    assert caplog.records == []  # the fast way
    matrix, slope = dense_hessian(case)
    for v, result in zip(vectors(found.size), results, strict=True):
        np.testing.assert_allclose(result, matrix @ v, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_gauss_newton_matrix_is_that_of_explicit_jacobians(case, unchanged, caplog):
    check = unchanged(case.model)
    with caplog.at_level("INFO", logger="apcli"):
        found = gauss_newton(case.model, case.tensors, case.batches())
        results = [found.matvec(v) for v in vectors(found.size)]
    check()
    assert caplog.records == []
    matrix = dense_gauss_newton(case)
    metric = curvature.gauss_newton(case.model, case.tensors, case.batches(), damping=0)
    for v, result in zip(vectors(found.size), results, strict=True):
        np.testing.assert_allclose(result, matrix @ v, rtol=1e-9, atol=1e-12)
        assert v @ result == pytest.approx(metric.squared(found.split(v)), rel=1e-11)


@pytest.mark.slow
@BOTH
def test_products_are_symmetric_and_linear_and_do_not_depend_on_the_batches(case, made_by):
    found = made_by(case.model, case.tensors, case.batches())
    u, v, w = vectors(found.size)
    hu, hv = found.matvec(u), found.matvec(v)
    assert u @ hv == pytest.approx(v @ hu, rel=1e-10)
    np.testing.assert_allclose(found.matvec(1e3 * u - v), 1e3 * hu - hv, rtol=1e-8, atol=1e-9)
    other = made_by(case.model, case.tensors, case.batches(2))
    np.testing.assert_allclose(other.matvec(w), found.matvec(w), rtol=1e-9, atol=1e-11)
    assert not found.matvec(0 * u).any()
    assert found.matvec(u[:, None]).shape == (found.size, 1)


def test_some_tensors_are_a_block(made):
    case = made("residual")
    whole = hessian(case.model, case.tensors, case.batches())
    part = hessian(case.model, case.tensors[1:], case.batches())
    v = vectors(part.size)[0]
    padded = np.append(np.zeros(whole.size - part.size), v)
    np.testing.assert_allclose(part.matvec(v), whole.matvec(padded)[-part.size :], rtol=1e-9, atol=1e-12)


def test_vectors_of_tensors(made):
    case = made("convolutions")
    found = hessian(case.model, case.tensors, case.batches())
    difference = case.difference()
    vector = found.flat(difference)
    assert vector.shape == (found.size,) == found.shape[:1]
    for name, part in found.split(vector).items():
        np.testing.assert_array_equal(part, difference[name])
    weights = {name: case.model.get_parameter(name).detach() for name in reversed(case.tensors)}
    np.testing.assert_array_equal(
        found.flat(weights)[: found.split(vector)[case.tensors[0]].size], weights[case.tensors[0]].ravel()
    )


@pytest.mark.parametrize("dtype, step, rel", [(torch.float64, 1e-6, 1e-7), (torch.float32, 1e-3, 1e-3)])
def test_the_product_is_the_difference_of_gradients(made, dtype, step, rel):
    case = made("linear")  # without kinks
    case.model.to(dtype)
    case.images = case.images.to(dtype)
    found = hessian(case.model, case.tensors, case.batches())
    v = vectors(found.size)[0]
    product, start = found.matvec(v), {name: w.clone() for name, w in found.weights.items()}
    sides = []
    for sign in (1, -1):
        for name, part in found.split(v).items():
            found.weights[name] = start[name] + sign * step * torch.as_tensor(part).to(dtype)
        sides.append(found.gradient())
    difference = (sides[0] - sides[1]) / (2 * step)
    assert np.linalg.norm(difference - product) < rel * np.linalg.norm(product)


@pytest.mark.slow
@BOTH
def test_single_precision_costs_a_few_digits(case, made_by):
    v = vectors(made_by(case.model, case.tensors, case.batches()).size)[0]
    exact = made_by(case.model, case.tensors, case.batches()).matvec(v)
    case.model.float()
    case.images = case.images.float()
    single = made_by(case.model, case.tensors, case.batches())
    for scale in (1, 1e-30, 1e30):
        assert np.linalg.norm(single.matvec(scale * v) / scale - exact) < 1e-5 * np.linalg.norm(exact)


def test_any_loss(made):
    def quartic(logits, labels):
        return ((logits - F.one_hot(labels, logits.shape[1])) ** 4).sum()

    case = made("linear")
    found = hessian(case.model, case.tensors, case.batches(), quartic)
    matrix, slope = dense_hessian(case, quartic)
    v = vectors(found.size)[0]
    np.testing.assert_allclose(found.matvec(v), matrix @ v, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(found.gradient(), slope, rtol=1e-10, atol=1e-12)
    case.model = nn.Sequential(nn.Flatten(), nn.Linear(60, 3)).double()  # linear in its weights: the same matrix
    one, other = (
        f(case.model, case.tensors, case.batches(), quartic).matvec(vectors(180)[0]) for f in (hessian, gauss_newton)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


# ---- networks


@pytest.mark.slow
@BOTH
def test_a_network_without_forward_derivatives(made, made_by, unchanged, caplog):
    case = made("linear")
    torch.manual_seed(0)
    case.model = Odd().double()
    case.images = torch.randn(7, 6, dtype=torch.float64)
    check = unchanged(case.model)
    found = made_by(case.model, case.tensors, case.batches())
    v = vectors(found.size)[0]
    with caplog.at_level("INFO", logger="apcli"):
        product = found.matvec(v)
    check()
    assert ["by two backward passes" in record.message for record in caplog.records] == [True]
    assert not found.split(product)["unused.weight"].any()
    case.model.unused = nn.Identity()
    matrix = dense_hessian(case)[0] if made_by is hessian else dense_gauss_newton(case)
    used = len(matrix)
    np.testing.assert_allclose(product[:used], matrix @ v[:used], rtol=1e-9, atol=1e-12)


def test_a_loss_without_curvature_has_none_by_two_backward_passes(made):
    case = made("linear")
    case.model = nn.Sequential(nn.Flatten(), nn.Linear(60, 3)).double()
    found = hessian(
        case.model, case.tensors, case.batches(), lambda logits, labels: Cube.apply(logits * 0 + 1).sum() + logits.sum()
    )
    assert not found.matvec(vectors(180)[0]).any()
    assert np.abs(found.gradient()).max() > 0.1


class Viewing(nn.Module):
    """Takes its convolution's output for contiguous."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 2)
        self.fc = nn.Linear(60, 3)

    def forward(self, x):
        x = self.conv(x).tanh()
        return self.fc(x.view(len(x), -1))


@BOTH
def test_a_network_that_relies_on_how_images_lie_in_memory(made, made_by):
    case = made("linear")
    case.model = Viewing().double()
    found = made_by(case.model, case.tensors, case.batches())
    v = vectors(found.size)[0]
    matrix = dense_hessian(case)[0] if made_by is hessian else dense_gauss_newton(case)
    np.testing.assert_allclose(found.matvec(v), matrix @ v, rtol=1e-9, atol=1e-12)
    assert np.isfinite(found.gradient()).all()


def vit():
    return timm.create_model("vit_tiny_patch16_224", num_classes=3, img_size=32, depth=1, embed_dim=24, num_heads=2)


def shufflenet():
    """Changes in place, and maxima."""
    return torchvision.models.shufflenet_v2_x0_5(num_classes=3)


def mobilenet():
    return torchvision.models.mobilenet_v2(num_classes=3)


@pytest.mark.slow
@pytest.mark.parametrize("network", [vit, shufflenet, mobilenet])
@BOTH
def test_networks_of_libraries(network, made_by, caplog):
    """The fast way does for them, and two backward passes give the same."""
    torch.manual_seed(1)
    model, images, labels = network().double(), torch.randn(3, 3, 32, 32).double(), torch.tensor([0, 1, 2])
    names = [name for name, p in model.named_parameters() if p.dim() >= 2][-6:]
    found = made_by(model, names, lambda: iter([(images, labels)]))
    v = vectors(found.size)[0]
    with caplog.at_level("INFO", logger="apcli"):
        product = found.matvec(v)
    assert caplog.records == []
    found._product = products._hessian_backwards if made_by is hessian else products._newton_backwards
    np.testing.assert_allclose(product, found.matvec(v), rtol=1e-7, atol=1e-9 * np.abs(product).max())
    assert np.abs(product).max() > 0


# ---- eigenvalues


def test_the_digits_of_a_last_layer():
    layer = nn.Linear(4, 3, bias=False)
    batches = of_layer(layer)
    found = hessian(layer, ["weight"], batches)
    matrix = np.array([found.matvec(row) for row in np.eye(12)])
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert eigenvalues[-1] == pytest.approx(0.2701234616069, abs=1e-13)
    assert eigenvalues[-2] == pytest.approx(0.20967155142346, abs=1e-14)
    assert np.abs(eigenvalues[0]) < 1e-16
    assert np.trace(matrix) == pytest.approx(0.77079007287068, abs=1e-14)
    np.testing.assert_allclose(
        gauss_newton(layer, ["weight"], batches).matvec(np.arange(12.0)), matrix @ np.arange(12.0)
    )
    outer = extremes(found.matvec, vectors(12)[0])
    assert outer.largest == pytest.approx(0.2701234616069, abs=1e-13)


@pytest.mark.parametrize(
    "k, linear, curved",
    [
        (2, -0.039736998904165, 0.0020027649166294),
        (4, -0.050168813312971, 0.0090383858033073),
        (8, -0.29803407710284, 0.14037762493118),
    ],
)
def test_the_digits_of_the_loss_changes(k, linear, curved):
    layer = nn.Linear(4, 3, bias=False)
    found = hessian(layer, ["weight"], of_layer(layer))
    weights = found.flat(found.weights)
    change = np.zeros(12)
    removed = np.argsort(np.abs(weights), kind="stable")[:k]
    change[removed] = -weights[removed]
    assert found.gradient() @ change == pytest.approx(linear, abs=1e-14)
    assert change @ found.matvec(change) / 2 == pytest.approx(curved, abs=1e-14)


@pytest.mark.slow
def test_the_largest_eigenvalue_of_the_last_layer_in_single_precision(made):
    """To 1e-4 of a dense solve, E (diag p - p p') x h h', with ARPACK beside."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    images, labels = torch.randn(40, 2, 6, 5), torch.randint(5, (40,))
    found = hessian(model, ["4.weight"], lambda: zip(images.split(16), labels.split(16), strict=True))
    with torch.no_grad():
        h = model[:-1](images).double()
        p = model(images).double().softmax(1)
    bent = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    block = torch.einsum("nab,ni,nj->aibj", bent, h, h).reshape(60, 60).numpy() / 40
    largest = np.linalg.eigvalsh(block)[-1]
    outer = extremes(found.matvec, vectors(60)[0], tolerance=1e-5)
    assert outer.largest == pytest.approx(largest, rel=1e-5)
    assert outer.largest_error < 1e-4 * largest
    assert eigsh(found, 1, which="LA", tol=1e-6)[0][0] == pytest.approx(largest, rel=1e-5)


@pytest.mark.slow
def test_the_spectrum_of_a_network_of_three_layers():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    images, labels = torch.randn(50, 6).double(), torch.randint(3, (50,))
    names = [name for name, _ in model.named_parameters()]
    found = hessian(model, names, lambda: iter([(images, labels)]))
    matrix = np.array([found.matvec(row) for row in np.eye(found.size)])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-13)
    estimate = spectrum(found.matvec, rademacher(found.size, 5, 0), 16).trace()
    assert abs(estimate.value - np.trace(matrix)) < 3 * estimate.error
    outer = extremes(found.matvec, vectors(found.size)[0], tolerance=1e-13)
    eigenvalues = np.linalg.eigvalsh(matrix)
    assert (outer.smallest, outer.largest) == pytest.approx((eigenvalues[0], eigenvalues[-1]), abs=1e-6 * outer.norm)
    assert outer.smallest < 0


# ---- errors


@BOTH
def test_what_is_no_number_is_refused(made, made_by, unchanged):
    case = made("residual")
    case.images[3] = np.nan
    check = unchanged(case.model)
    found = made_by(case.model, case.tensors, case.batches())
    for measured in (lambda: found.matvec(np.ones(found.size)), found.gradient):
        with pytest.raises(ApcliError, match="NaN or Inf"):
            measured()
    check()


@BOTH
def test_a_failure_of_the_network_is_not_hidden(made, made_by):
    case = made("linear")
    case.images = case.images[:, :1]
    found: Curvature = made_by(case.model, case.tensors, case.batches())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        found.matvec(np.ones(found.size))


@BOTH
def test_memory_that_runs_out_is_not_taken_for_an_operation_without_derivative(made, made_by):
    calls = []

    def out_of_memory(logits, labels):
        calls.append(len(labels))
        raise torch.OutOfMemoryError("CUDA out of memory")

    case = made("linear")
    found = made_by(case.model, case.tensors, case.batches(), out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        found.matvec(np.ones(found.size))
    assert calls == [3]
