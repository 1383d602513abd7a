"""Lookahead against products of matrices with one weight zeroed, and against norms taken by hand."""

import numpy as np
import pytest
import torch
from torch import fx, nn
from torchvision.models import mobilenetv2, resnet

from apcli.criteria.lookahead import lookahead
from apcli.criteria.subject import Subject


def scores_of(model, shape, tensors=None):
    """Of an image of zeros, in the model's dtype."""
    tensors = tensors or [name for name, p in model.named_parameters() if p.dim() >= 2]
    image = torch.zeros(1, *shape, dtype=next(model.parameters()).dtype)
    return lookahead(Subject(model, tensors, lambda: iter([(image, image)]), lambda scores, share: {}))


def random_(model, seed=0):
    """Every parameter and statistic drawn, so that none is at a value of its own."""
    torch.manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if name.endswith("var") else torch.randn_like(tensor))
    return model


def squares(weight, *kept):
    """Sums of squares over all dimensions but those ``kept``."""
    array = weight.detach().double().numpy() ** 2
    return array.sum(axis=tuple(d for d in range(array.ndim) if d not in kept))


def gain(norm):
    gamma = norm.weight.detach().double().numpy()
    return np.abs(gamma) / np.sqrt(norm.running_var.double().numpy() + norm.eps)


def distortions(before, weight, behind):
    """||C W B - C W' B||_F for every weight set to zero (the paper's definition), None standing for the identity."""
    before = np.eye(weight.shape[1]) if before is None else before
    behind = np.eye(weight.shape[0]) if behind is None else behind
    found = np.empty(weight.shape)
    for at in np.ndindex(weight.shape):
        zeroed = weight.copy()
        zeroed[at] = 0
        found[at] = np.linalg.norm(behind @ weight @ before - behind @ zeroed @ before)
    return found


def test_in_a_chain_it_is_the_change_of_the_product_of_three_layers():
    model = random_(
        nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3, bias=False)).double()
    )
    first, second, third = (model[i].weight.detach().numpy() for i in (0, 2, 4))
    found = scores_of(model, (4,))
    expected = np.linalg.norm(second, axis=0)[:, None] * np.abs(first)
    np.testing.assert_allclose(found["0.weight"], expected, rtol=1e-12)
    # At the ends a factor is left out: nothing stands there.
    np.testing.assert_allclose(found["0.weight"], distortions(None, first, second), rtol=1e-12)
    np.testing.assert_allclose(found["2.weight"], distortions(first, second, third), rtol=1e-12)
    np.testing.assert_allclose(found["4.weight"], distortions(second, third, None), rtol=1e-12)


def test_batch_norms_are_part_of_the_layers_that_they_follow():
    model = random_(
        nn.Sequential(
            *[nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)]
        ).double()
    )
    first, second, third = (model[i].weight.detach().numpy() for i in (0, 3, 5))
    first_scaled, gain_of_second = gain(model[1])[:, None] * first, np.diag(gain(model[4]))
    found = scores_of(model, (4,))
    expected = distortions(first_scaled, second, third @ gain_of_second)
    np.testing.assert_allclose(found["3.weight"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["5.weight"], distortions(gain_of_second @ second, third, None), rtol=1e-12)
    np.testing.assert_allclose(
        found["0.weight"], distortions(None, first, second @ np.diag(gain(model[1]))), rtol=1e-12
    )


def test_convolutions_and_a_flattened_map():
    model = random_(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, bias=False),
            nn.BatchNorm2d(3),
            nn.ReLU(inplace=True),
            nn.Conv2d(3, 4, 3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * 4, 5),
        ).double()
    )
    first, norm, second, last = model[0], model[1], model[3], model[6]
    found = scores_of(model, (2, 6, 6))
    by_channel = last.weight.reshape(5, 4, 4)  # a channel's four places side by side
    before, behind = gain(norm) ** 2 * squares(first.weight, 0), squares(by_channel, 1)
    expected = second.weight.abs().detach().numpy() * np.sqrt(np.multiply.outer(behind, before))[..., None, None]
    np.testing.assert_allclose(found["3.weight"], expected, rtol=1e-12)
    expected = (
        first.weight.abs().detach().numpy() * (gain(norm) * np.sqrt(squares(second.weight, 1)))[:, None, None, None]
    )
    np.testing.assert_allclose(found["0.weight"], expected, rtol=1e-12)
    expected = last.weight.abs().detach().numpy() * np.repeat(np.sqrt(squares(second.weight, 0)), 4)
    np.testing.assert_allclose(found["6.weight"], expected, rtol=1e-12)


class Residual(nn.Module):
    """Two layers make the stream's channels, and two read them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.stem_norm = nn.BatchNorm2d(4)
        self.up = nn.Conv2d(4, 6, 1)
        self.down = nn.Conv2d(6, 4, 3, padding=1)
        self.down_norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem_norm(self.stem(x)).relu()
        x = x + self.down_norm(self.down(self.up(x).relu()))
        return self.fc(x.relu().mean(dim=(2, 3)))


def test_the_layers_of_a_residual_sum_are_one_matrix():
    model = random_(Residual().double())
    found = scores_of(model, (2, 6, 6))
    stem = gain(model.stem_norm) ** 2 * squares(model.stem.weight, 0)
    made = stem + gain(model.down_norm) ** 2 * squares(model.down.weight, 0)
    expected = model.fc.weight.abs().detach().numpy() * np.sqrt(made)
    np.testing.assert_allclose(found["fc.weight"], expected, rtol=1e-12)
    # What the stem makes is read before the sum and behind it; what ``down`` makes is there from the sum on.
    read = squares(model.up.weight, 1) + squares(model.fc.weight, 1)
    expected = model.stem.weight.abs().detach().numpy() * (gain(model.stem_norm) * np.sqrt(read))[:, None, None, None]
    np.testing.assert_allclose(found["stem.weight"], expected, rtol=1e-12)
    expected = np.sqrt(np.multiply.outer(squares(model.down.weight, 1), stem))[..., None, None]
    np.testing.assert_allclose(found["up.weight"], model.up.weight.abs().detach().numpy() * expected, rtol=1e-12)
    behind = gain(model.down_norm) * np.sqrt(squares(model.fc.weight, 1))
    before = np.sqrt(squares(model.up.weight, 0))
    expected = model.down.weight.abs().detach().numpy() * np.multiply.outer(behind, before)[..., None, None]
    np.testing.assert_allclose(found["down.weight"], expected, rtol=1e-12)


def test_a_depthwise_layer_stands_between():
    model = random_(
        nn.Sequential(
            *[nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 4, 3, groups=4, padding=1)],
            *[nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        ).double()
    )
    expand, depth, project = (model[i].weight for i in (0, 3, 6))
    found = scores_of(model, (2, 5, 5))
    middle = gain(model[1]) * np.sqrt(squares(expand, 0)) * gain(model[4]) * np.sqrt(squares(project, 1))
    np.testing.assert_allclose(
        found["3.weight"], depth.abs().detach().numpy() * middle[:, None, None, None], rtol=1e-12
    )
    behind = gain(model[1]) * np.sqrt(squares(depth, 0))
    np.testing.assert_allclose(
        found["0.weight"], expand.abs().detach().numpy() * behind[:, None, None, None], rtol=1e-12
    )
    before = gain(model[4]) * np.sqrt(squares(depth, 0))
    np.testing.assert_allclose(found["6.weight"], project.abs().detach().numpy() * before[:, None, None], rtol=1e-12)


def test_a_transposed_convolution_has_its_inputs_first():
    model = random_(
        nn.Sequential(nn.Conv2d(2, 4, 1), nn.ConvTranspose2d(4, 3, 2), nn.BatchNorm2d(3), nn.Conv2d(3, 5, 1)).double()
    )
    first, up, last = (model[i].weight for i in (0, 1, 3))
    found = scores_of(model, (2, 5, 5))
    behind = gain(model[2]) * np.sqrt(squares(last, 1))
    expected = up.abs().detach().numpy() * np.multiply.outer(np.sqrt(squares(first, 0)), behind)[..., None, None]
    np.testing.assert_allclose(found["1.weight"], expected, rtol=1e-12)
    expected = last.abs().detach().numpy() * (gain(model[2]) * np.sqrt(squares(up, 1)))[:, None, None]
    np.testing.assert_allclose(found["3.weight"], expected, rtol=1e-12)
    expected = first.abs().detach().numpy() * np.sqrt(squares(up, 0))[:, None, None, None]
    np.testing.assert_allclose(found["0.weight"], expected, rtol=1e-12)


def test_no_channel_goes_through_a_grouped_convolution():
    """Each of its columns belongs to several channels: it has no neighbours, and is none."""
    model = random_(
        nn.Sequential(
            *[nn.Conv2d(2, 3, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)],
            *[nn.ReLU(), nn.Conv2d(6, 3, 1)],
        ).double()
    )
    first, second, grouped, last = (model[i].weight.detach().numpy() for i in (0, 1, 2, 5))
    found = scores_of(model, (2, 5, 5))
    expected = np.abs(first) * np.sqrt(squares(model[1].weight, 1))[:, None, None, None]
    np.testing.assert_allclose(found["0.weight"], expected, rtol=1e-12)
    expected = np.abs(second) * np.sqrt(squares(model[0].weight, 0))[:, None, None]
    np.testing.assert_allclose(found["1.weight"], expected, rtol=1e-12)
    np.testing.assert_allclose(found["2.weight"], np.abs(grouped) * gain(model[3])[:, None, None, None], rtol=1e-12)
    np.testing.assert_array_equal(found["5.weight"], np.abs(last))


def test_a_batch_norm_behind_something_else_is_no_layers_own():
    """Behind a sum, made in place or not."""

    class Sums(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.fc, self.norm, self.head, self.in_place = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2), in_place

        def forward(self, x):
            out = self.fc(x)
            out = out.add_(x) if self.in_place else out + x
            return self.head(self.norm(out))

    for in_place in (False, True):
        model = random_(Sums(in_place)).double()
        behind = np.sqrt(squares(model.head.weight, 1))
        expected = model.fc.weight.abs().detach().numpy() * behind[:, None]
        np.testing.assert_allclose(scores_of(model, (4,), ["fc.weight"])["fc.weight"], expected, rtol=1e-12)


def neighbours(model):
    """By layer, the layers before it, by a walk over the traced code, in which a sum meets what came before."""
    weighs = {name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    came, before = {}, {}  # by node: the layers that made its inputs, and those that made it
    for node in fx.symbolic_trace(model).graph.nodes:
        came[node] = set().union(*(before[given] for given in node.all_input_nodes))
        before[node] = {node.target} if node.target in weighs else came[node]
    return {node.target: layers for node, layers in came.items() if node.target in weighs}


class Narrow(resnet.ResNet):
    """A ResNet with an eighth of the channels in its blocks."""

    def _make_layer(self, block, planes, *more, **options):
        return super()._make_layer(block, planes // 8, *more, **options)


def make_resnet():
    model = Narrow(resnet.BasicBlock, [2, 2, 1, 1], num_classes=3)
    model.fc = nn.Linear(64, 3)
    return model


def make_mobilenet():
    return mobilenetv2.MobileNetV2(3, 0.25, [[1, 16, 1, 1], [4, 16, 3, 2]])


@pytest.mark.slow
@pytest.mark.parametrize("build", [make_resnet, make_mobilenet])
def test_neighbours_are_those_of_the_traced_code(build):
    """Batch norms scale by 1 here: variance and epsilon, which torch wants above 0, are 1 together."""
    model = random_(build()).double().eval()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eps, norm.running_var[:], norm.weight.data[:] = 0.25, 0.75, 1.0
    found, came = scores_of(model, (3, 32, 32)), neighbours(model)
    assert any(len(layers) > 1 for layers in came.values())  # sums
    layers = {name: model.get_submodule(name) for name in came}
    depthwise = {name for name, layer in layers.items() if getattr(layer, "groups", 1) > 1}
    for name, layer in layers.items():
        behind = [other for other, them in came.items() if name in them]
        made = sum(squares(layers[other].weight, 0) for other in came[name]) if came[name] else np.ones(1)
        read = (
            sum(squares(layers[other].weight, int(other not in depthwise)) for other in behind)
            if behind
            else np.ones(1)
        )
        factors = read * made if name in depthwise else np.multiply.outer(read, made)
        ends = (1,) * (layer.weight.dim() - np.ndim(factors))
        expected = layer.weight.detach().abs().numpy() * np.sqrt(factors).reshape(*np.shape(factors), *ends)
        np.testing.assert_allclose(found[f"{name}.weight"], expected, rtol=1e-12, err_msg=name)


@pytest.mark.slow
def test_a_weight_that_is_no_neighbour_changes_nothing():
    """Scaled by a power of two: every bit of the other scores stays."""
    model = random_(make_resnet()).eval()
    came, before = neighbours(model), scores_of(model, (3, 32, 32))
    for scaled in ("layer1.1.conv2", "layer4.0.conv2", "layer2.0.downsample.0"):
        model.get_submodule(scaled).weight.data *= 1024
        after = scores_of(model, (3, 32, 32))
        model.get_submodule(scaled).weight.data /= 1024
        same = {
            name for name, them in came.items() if name != scaled and scaled not in them and name not in came[scaled]
        }
        assert {"conv1", "layer1.0.conv1", "layer1.0.conv2"} <= same | came[scaled]
        changed = {name for name in came if not np.array_equal(before[f"{name}.weight"], after[f"{name}.weight"])}
        assert changed == came.keys() - same


def test_dead_channels_and_zeros_score_zero():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model[2].weight.data[:, 1] = 0
    model[0].weight.data[0, :2] = torch.tensor([0.0, -0.0])
    found = scores_of(model, (3,))
    assert (found["0.weight"][1] == 0).all()
    assert found["0.weight"][0, :2].tolist() == [0, 0]
    assert not np.signbit(found["0.weight"]).any()
    assert (found["0.weight"][2:] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_multiplied_in_double(dtype):
    """Squares of 300 are beyond float16's range."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).to(dtype)
    nn.init.constant_(model[1].weight, 300.0)
    found = scores_of(model, (3,))["0.weight"]
    np.testing.assert_allclose(found, model[0].weight.detach().double().abs() * 300 * 2**0.5, rtol=1e-13)
    assert found.dtype == np.float64


def test_the_network_stays_as_it_was():
    model = random_(Residual())
    model.stem_norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [m.training for m in model.modules()]
    first, again = scores_of(model, (2, 6, 6)), scores_of(model, (2, 6, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [m.training for m in model.modules()] == flags
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
