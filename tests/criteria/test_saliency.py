"""Criteria from derivatives against autograd weight by weight, finite differences, full Hessians and their laws."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from odd_layers import Cube
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, ResNet

from apcli.criteria.saliency import grasp, snip, synflow, taylor
from apcli.criteria.subject import Subject
from apcli.errors import ApcliError, UsageError

METHODS = {
    "taylor": taylor,
    "snip": snip,
    "grasp": partial(grasp, temperature=20.0),
    "synflow": partial(synflow, iterations=3),
}
OF_THE_LOSS = ["taylor", "snip", "grasp"]


class Small(nn.Module):
    """A grouped convolution, batch norm with statistics of its own, dropout, changes in place, a layer never called."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.hidden = nn.Linear(4, 5)
        self.unused = nn.Linear(3, 2)
        self.fc = nn.Linear(5, 3)
        nn.init.uniform_(self.norm.running_mean, -0.3, 0.3)
        nn.init.uniform_(self.norm.running_var, 0.5, 2)

    def forward(self, images):
        out = F.relu(self.norm(self.conv(images)), inplace=True).mean(dim=(2, 3))
        return self.fc(F.dropout(self.hidden(out).tanh_(), training=self.training)), "aside"


def small(seed=0):
    torch.manual_seed(seed)
    return Small().double()


def data(shape=(2, 6, 5), count=7, classes=3):
    draw = torch.Generator().manual_seed(1)
    images = 1.5 * torch.randn(count, *shape, generator=draw, dtype=torch.float64)
    return images, torch.randint(classes, (count,), generator=draw)


def weights_of(model):
    return [name for name, parameter in model.named_parameters() if parameter.dim() >= 2]


def choose_globally(sparsity):
    """Of all scores together the lowest go, ties by index; at a share of the way as in the paper's schedule."""

    def choose(scores, share):
        everything = np.concatenate([score.ravel() for score in scores.values()])
        kept = np.ones(everything.size, bool)
        removed = round((1 - (1 - sparsity) ** share) * everything.size)
        kept[np.argsort(everything, kind="stable")[:removed]] = False
        parts = np.split(kept, np.cumsum([score.size for score in scores.values()])[:-1])
        return {name: part.reshape(scores[name].shape) for name, part in zip(scores, parts, strict=True)}

    return choose


def subject(model, images, labels, size=3, tensors=None, choose=None):
    def batches():
        return zip(images.split(size), labels.split(size), strict=True)

    return Subject(model, tensors or weights_of(model), batches, choose or choose_globally(0.5))


def loss_of(model, images, labels, temperature=1.0):
    output = model(images)
    return F.cross_entropy((output[0] if isinstance(output, tuple) else output) / temperature, labels)


def gradients(model, images, labels, names):
    parameters = [model.get_parameter(name) for name in names]
    found = torch.autograd.grad(loss_of(model.eval(), images, labels), parameters, materialize_grads=True)
    return {name: g.numpy() for name, g in zip(names, found, strict=True)}


@pytest.mark.parametrize("name", METHODS)
def test_the_network_stays_as_it_was(name):
    model = small()
    model.norm.eval()
    model.conv.weight.requires_grad_(False)
    model.fc.weight.grad = torch.ones_like(model.fc.weight)
    model.unused.weight.data[0, 0] = -0.0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    bits = {name: value.numpy().tobytes() for name, value in before.items()}
    flags = [module.training for module in model.modules()]
    wants = [(p.requires_grad, p.grad, p.dtype, p.data_ptr()) for p in model.parameters()]
    with torch.no_grad():  # a caller's own mode
        found = METHODS[name](subject(model, *data()))
        assert not torch.is_grad_enabled()
    assert {name: value.numpy().tobytes() for name, value in model.state_dict().items()} == bits
    assert [module.training for module in model.modules()] == flags
    assert [(p.requires_grad, p.grad, p.dtype, p.data_ptr()) for p in model.parameters()] == wants
    assert all((model.fc.weight.grad == 1).flatten())
    assert list(found) == weights_of(model)
    for tensor, scores in found.items():
        assert scores.shape == before[tensor].shape
        assert scores.dtype == np.float64
    assert (found["conv.weight"] != 0).any()  # frozen weights are scored


def test_taylor_is_the_mean_over_batches_of_squares():
    model, (images, labels) = small(), data()
    found = taylor(subject(model, images, labels, size=3))
    names = weights_of(model)
    parts = [gradients(model, images[i : i + 3], labels[i : i + 3], names) for i in (0, 3, 6)]
    for name in names:
        weight = model.get_parameter(name).detach().numpy()
        expected = np.mean([(weight * part[name]) ** 2 for part in parts], axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-11, atol=1e-20)
    assert (found["unused.weight"] == 0).all()
    single = taylor(subject(model, images, labels, size=1))
    assert not np.allclose(single["fc.weight"], found["fc.weight"], rtol=0.01)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_snip_is_the_loss_change_when_a_weight_is_scaled(size):
    model, (images, labels) = small(), data()
    found = snip(subject(model, images, labels, size=size))
    model.eval()
    step = 1e-5
    with torch.no_grad():
        for name in weights_of(model):
            weight = model.get_parameter(name)
            for index in np.ndindex(*weight.shape):
                moved = []
                for factor in (1 + step, 1 - step):
                    other = weight.clone()
                    other[index] *= factor
                    output = functional_call(model, {name: other}, (images,))[0]
                    moved.append(float(F.cross_entropy(output, labels)))
                assert found[name][index] == pytest.approx(abs(moved[0] - moved[1]) / (2 * step), rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 200.0])
@pytest.mark.parametrize("size", [2, 7])
def test_grasp_is_the_weight_times_the_full_hessian_times_the_gradient(temperature, size):
    """Over the weights in scope, their cross terms too; and with the paper's sign turned."""
    model, (images, labels) = small(), data()
    names = ["conv.weight", "fc.weight", "unused.weight"]
    found = grasp(subject(model, images, labels, size, names), temperature=temperature)
    model.eval()
    shapes = [model.get_parameter(name).shape for name in names]
    sizes = [shape.numel() for shape in shapes]

    def loss(flat):
        parts = {n: p.reshape(s) for n, p, s in zip(names, flat.split(sizes), shapes, strict=True)}
        return F.cross_entropy(functional_call(model, parts, (images,))[0] / temperature, labels)

    flat = torch.cat([model.get_parameter(name).detach().flatten() for name in names])
    gradient = torch.func.grad(loss)(flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = (flat * (hessian @ gradient)).detach()
    got = np.concatenate([found[name].ravel() for name in names])
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-9, atol=1e-12 * float(expected.abs().max()))
    assert (got > 0).any()
    assert (got < 0).any()


def test_what_grasp_removes_first_is_what_the_gradient_needs_least():
    """Where the loss is nearly quadratic a weight's small decay by e changes |g|^2 by -2 e times its score."""
    torch.manual_seed(3)
    model, (images, labels) = nn.Sequential(nn.Linear(4, 3, bias=False)).double(), data((4,))
    found = grasp(subject(model, images, labels), temperature=1.0)["0.weight"]
    weight = model[0].weight.detach()

    def flow(w):
        return torch.func.grad(lambda v: F.cross_entropy(images @ v.T, labels))(w).square().sum()

    for index in np.ndindex(*weight.shape):
        other = weight.clone()
        other[index] *= 1 - 1e-6
        assert float(flow(other) - flow(weight)) == pytest.approx(-2e-6 * found[index], rel=1e-3, abs=1e-13)


class Odd(nn.Module):
    """An operation of its own, which has no forward derivative, and a branch on the data."""

    def __init__(self, cube):
        super().__init__()
        self.first, self.last, self.cube = nn.Linear(4, 4), nn.Linear(4, 3), cube

    def forward(self, x):
        x = self.cube(self.first(x))
        return self.last(x if float(x.detach().sum()) > -1e9 else -x)


@pytest.mark.parametrize("name", METHODS)
def test_operations_without_forward_derivatives(name):
    torch.manual_seed(0)
    odd = Odd(Cube.apply).double()
    plain = Odd(lambda x: x**3).double()
    plain.load_state_dict(odd.state_dict())
    expected = METHODS[name](subject(plain, *data((4,))))
    for tensor, scores in METHODS[name](subject(odd, *data((4,)))).items():
        np.testing.assert_allclose(scores, expected[tensor], rtol=1e-11)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.block(images).mean(dim=1))


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_attention(name):
    torch.manual_seed(0)
    model = Attention().double()
    images, labels = data((5, 4))
    whole, split = (METHODS[name](subject(model, images, labels, size)) for size in (7, 2))
    for tensor, scores in whole.items():
        assert (scores != 0).any()
        np.testing.assert_allclose(split[tensor], scores, rtol=1e-9, atol=1e-12 * np.abs(scores).max())


@pytest.mark.parametrize("name", METHODS)
def test_names_that_share_a_weight_share_the_scores_of_all_its_uses(name):
    """Against the same network with one parameter, used twice."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared, self.fc = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.shared(self.shared(x).relu()).relu())

    torch.manual_seed(5)
    one = Twice().double()
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    tied[2].weight, tied[0].bias, tied[2].bias = tied[0].weight, one.shared.bias, one.shared.bias
    with torch.no_grad():
        tied[0].weight.copy_(one.shared.weight)
        tied[4].load_state_dict(one.fc.state_dict())

    def keep(scores, share):
        return {tensor: score >= np.median(score) for tensor, score in scores.items()}

    expected = METHODS[name](subject(one, *data((4,)), choose=keep))
    found = METHODS[name](subject(tied, *data((4,)), tensors=["2.weight", "4.weight", "0.weight"], choose=keep))
    np.testing.assert_allclose(found["4.weight"], expected["fc.weight"], rtol=1e-11)
    for tensor in ("0.weight", "2.weight"):
        np.testing.assert_allclose(found[tensor], expected["shared.weight"], rtol=1e-11)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_scores_like_the_same_weights_in_double(name, dtype):
    model = small().to(dtype)
    images, labels = data()
    images = images.to(dtype)
    found = METHODS[name](subject(model, images, labels))
    assert all(parameter.dtype == dtype for parameter in model.parameters())
    double = small()
    double.load_state_dict(model.state_dict())
    expected = METHODS[name](subject(double, images.double(), labels))
    for tensor, scores in expected.items():
        kept = np.isfinite(scores)
        np.testing.assert_array_equal(np.isfinite(found[tensor]), kept)
        largest = np.abs(scores[kept]).max(initial=0)
        np.testing.assert_allclose(found[tensor][kept], scores[kept], rtol=1e-3, atol=1e-5 * largest)


@pytest.mark.parametrize("name", METHODS)
def test_zeros_of_either_sign_score_zero(name):
    model = small()
    model.fc.weight.data[:2] = torch.tensor([[0.0], [-0.0]])
    found = METHODS[name](subject(model, *data(), choose=choose_globally(0)))["fc.weight"]
    assert (found[:2] == 0).all()
    assert (found[2] != 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_only_unused_layers_in_scope(name):
    given = subject(small(), *data(), tensors=["unused.weight"])
    if name == "synflow":
        with pytest.raises(ApcliError, match="nothing flows through the layers after 0 rounds"):
            METHODS[name](given)
    else:
        assert (METHODS[name](given)["unused.weight"] == 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_tensors_that_are_no_parameters_are_refused(name):
    model = small()
    model.register_buffer("grid", torch.ones(2, 2))
    for tensor, what in [("grid", "a buffer, not a parameter"), ("gone.weight", "no parameter")]:
        given = subject(model, *data(), tensors=["fc.weight", tensor])
        with pytest.raises(
            UsageError, match=f"tensor {tensor} is {what} .*--exclude {tensor.removesuffix('.weight')}$"
        ):
            METHODS[name](given)


@pytest.mark.parametrize("name", OF_THE_LOSS)
def test_scores_that_are_no_numbers_name_the_layer(name):
    images, labels = data()
    images[5] = torch.inf
    with pytest.raises(ApcliError, match=f"layer conv: a score of {name} is NaN or Inf.*such as lowest"):
        METHODS[name](subject(small(), images, labels))


# ---- synflow


def straight(*widths):
    torch.manual_seed(7)
    layers = [layer for n, m in pairwise(widths) for layer in (nn.Linear(n, m, bias=False), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def image(*shape):
    return torch.zeros(1, *shape), torch.zeros(1, dtype=torch.int64)


def test_synflow_is_the_product_of_absolute_matrices():
    model = straight(6, 5, 4, 3)
    found = synflow(subject(model, *image(6)), iterations=1)
    a, b, c = (model[i].weight.detach().double().abs().numpy() for i in (1, 3, 5))
    into, out = np.ones(6), np.ones(3)
    np.testing.assert_allclose(found["1.weight"], np.outer(out @ c @ b, into) * a, rtol=1e-13)
    np.testing.assert_allclose(found["3.weight"], np.outer(out @ c, a @ into) * b, rtol=1e-13)
    np.testing.assert_allclose(found["5.weight"], np.outer(out, b @ a @ into) * c, rtol=1e-13)


@pytest.mark.parametrize("iterations", [1, 8])
def test_synaptic_flow_is_conserved(iterations):
    """What enters a hidden unit leaves it, so all layers add up to the same (Tanaka et al., theorems 1 and 2)."""
    found = synflow(subject(straight(8, 12, 10, 9, 4), *image(8), choose=choose_globally(0.8)), iterations=iterations)
    flows = [np.where(np.isinf(score), 0, score) for score in found.values()]
    for before, behind in pairwise(flows):
        np.testing.assert_allclose(before.sum(axis=1), behind.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose([flow.sum() for flow in flows], flows[0].sum(), rtol=1e-12)
    assert np.isinf(found["1.weight"]).any() == (iterations > 1)


def test_synflow_is_of_absolute_parameters_and_buffers_in_evaluation_mode():
    model = small()
    image_of_ones = torch.ones(1, 2, 6, 5, dtype=torch.float64)
    found = synflow(subject(model, *data()), iterations=1)
    twin = small().eval()
    twin.load_state_dict({name: value.abs() for name, value in model.state_dict().items()})
    twin(image_of_ones)[0].sum().backward()
    for name in ("conv.weight", "hidden.weight", "fc.weight"):
        weight = twin.get_parameter(name)
        np.testing.assert_allclose(found[name], (weight * weight.grad).abs().detach().numpy(), rtol=1e-12)


def test_synflow_asks_for_masks_step_by_step_and_they_only_grow():
    asked, removed = [], []
    most = choose_globally(0.9)

    def choose(scores, share):
        asked.append(share)
        removed.append({name: np.isneginf(score) for name, score in scores.items()})
        masks = most(scores, share)
        for name, mask in masks.items():
            assert not (mask & removed[-1][name]).any()
            mask.setflags(write=False)
        return masks

    found = synflow(subject(straight(10, 20, 20, 5), *image(10), choose=choose), iterations=5)
    removed.append({name: np.isneginf(score) for name, score in found.items()})
    assert asked == pytest.approx([0.2, 0.4, 0.6, 0.8])
    counts = [sum(int(part.sum()) for part in step.values()) for step in removed]
    assert counts == [0, *(round((1 - 0.1**share) * 700) for share in asked)]
    for early, late in pairwise(removed):
        assert all((late[name] | ~part).all() for name, part in early.items())
    assert all(np.isfinite(score[~removed[-1][name]]).all() for name, score in found.items())


def depthwise():
    def block(channels, width, stride):
        return [
            *(nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)),
            *(nn.ReLU(), nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()),
        ]

    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(*block(16, 32, 1), *block(32, 64, 2), *block(64, 128, 1), *block(128, 128, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)),
    )


class Narrow(ResNet):
    """A ResNet with half the channels in its blocks."""

    def _make_layer(self, block, planes, *more, **options):
        return super()._make_layer(block, planes // 2, *more, **options)


def residual():
    model = Narrow(BasicBlock, [1, 1, 1, 1])
    model.fc = nn.Linear(256, 10)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("network", [residual, depthwise])
def test_no_layer_collapses_at_99_percent(network):
    """But a 1 x 1 shortcut may, since the flow has a way around it. In one round, layers do collapse."""
    torch.manual_seed(0)
    model = network()
    choose = choose_globally(0.99)
    given = subject(model, *image(3, 32, 32), choose=choose)
    empty = []
    for iterations in (1, 10):
        masks = choose(synflow(given, iterations=iterations), 1)
        empty.append([name for name, mask in masks.items() if not mask.any() and "downsample" not in name])
    assert len(empty[0]) >= 4
    assert empty[1] == []
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(name).mul_(torch.from_numpy(mask))
    images = torch.rand(2, 3, 32, 32)
    assert not torch.equal(*model.eval()(images))  # the outputs still depend on the inputs


def test_deep_networks_stay_in_range():
    """100 layers of 64: beyond float32, within float64."""
    found = synflow(subject(straight(*[64] * 100, 2), *image(64)), iterations=1)
    sums = np.array([score.sum() for score in found.values()])
    assert sums[0] > np.finfo(np.float32).max
    np.testing.assert_allclose(sums, sums[0], rtol=1e-9)


def test_a_flow_beyond_float64_is_refused():
    model = straight(4, 4, 4, 2)
    for parameter in model.double().parameters():
        parameter.data *= 1e150
    with pytest.raises(ApcliError, match=r"the flow through the network is inf.*such as lamp"):
        synflow(subject(model, *image(4)), iterations=1)


def test_no_flow_is_refused_and_a_layer_without_flow_is_named(caplog):
    def cut(scores, share):
        return {name: np.full(score.shape, name != "3.weight") for name, score in scores.items()}

    model = straight(4, 4, 3)
    with pytest.raises(ApcliError, match=r"after 1 rounds.*lower --sparsity"):
        synflow(subject(model, *image(4), choose=cut), iterations=2)
    assert caplog.records == []
    synflow(subject(small(), *data()), iterations=1)
    assert caplog.messages == ["synflow: nothing flows through 1 of 4 layers: unused"]
    model[1].weight.data.zero_()
    with pytest.raises(ApcliError, match=r"after 0 rounds.*such as lowest"):
        synflow(subject(model, *image(4)), iterations=2)
