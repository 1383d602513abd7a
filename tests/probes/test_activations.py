"""The activation metric against outputs of layers that were given the difference as their weight."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from apcli.errors import ApcliError, UsageError
from apcli.probes import activations
from apcli.probes.activations import Inputs, SecondMoment, SquareSums, activation, inputs


def supported(case):
    """The weights that the metric knows: not those inside of attention."""
    return [name for name in case.tensors if "self_attn" not in name]


def mean_squared_change(case, name, difference):
    """E|(I - 11'/K) D h|^2, with D h had from the layer's own forward function at every call."""
    module = case.model.get_submodule(name.rpartition(".")[0])
    outputs = []

    def hook(module, args, output):
        weight = torch.from_numpy(difference)
        if isinstance(module, nn.Linear):
            outputs.append(nn.functional.linear(args[0], weight).reshape(-1, len(weight)))
        else:
            outputs.append(module._conv_forward(args[0], weight, None).movedim(1, -1).reshape(-1, len(weight)))

    handle = module.register_forward_hook(hook)
    flags = [(m, m.training) for m in case.model.modules()]
    case.model.eval()
    case.model(case.images)
    handle.remove()
    for m, training in flags:
        m.training = training
    found = torch.cat(outputs).detach().numpy()
    if getattr(module, "groups", 1) == 1 and found.shape[1] > 1:
        found = found - found.mean(axis=1, keepdims=True)
    return float((found**2).sum(axis=1).mean())


def test_it_is_the_mean_squared_centred_change_of_the_outputs(case, unchanged):
    difference = case.difference(*supported(case))
    expected = {name: mean_squared_change(case, name, d) for name, d in difference.items()}
    check = unchanged(case.model)
    metric = activation(case.model, supported(case), case.batches())
    assert {name: metric.squared({name: d}) for name, d in difference.items()} == pytest.approx(expected, rel=1e-12)
    assert metric.squared(difference) == pytest.approx(sum(expected.values()), rel=1e-12)
    check()


def test_kept_rows_and_the_gram_matrix_both_occur(made):
    """The linear network has 7 samples: fewer than the 60 inputs of its first layer, more than the 4 of its second."""
    case = made("linear")
    metric = activation(case.model, case.tensors, case.batches())
    kept = [moment._gram is None for moment in metric.moments.values()]
    assert kept == [True, False]


@pytest.mark.slow
def test_the_size_of_batches_and_blocks_changes_nothing(case, monkeypatch):
    difference = case.difference(*supported(case))
    expected = activation(case.model, supported(case), case.batches()).squared(difference)
    for block, size in product([1, 100, 10_000], [1, 4, 7]):
        monkeypatch.setattr(activations, "_BLOCK", block)
        found = activation(case.model, supported(case), case.batches(size)).squared(difference)
        assert found == pytest.approx(expected, rel=1e-13), (block, size)


def test_moving_all_outputs_alike_costs_nothing(made):
    case = made("linear")
    metric = activation(case.model, case.tensors, case.batches())
    row = np.random.default_rng(0).normal(size=60)
    one = np.vstack([row, np.zeros((3, 60))])
    assert metric.squared({"1.weight": np.vstack([row] * 4)}) < 1e-28 * metric.squared({"1.weight": one})
    assert metric.squared({"1.weight": np.zeros((4, 60))}) == 0


def test_a_layer_of_one_output_is_not_centred():
    model = nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 2)).double()
    images = torch.randn(9, 3, dtype=torch.float64)
    found = activation(model, ["0.weight"], lambda: iter([(images, images)])).squared({"0.weight": np.ones((1, 3))})
    assert found == pytest.approx(float((images.sum(1) ** 2).mean()), rel=1e-13)


def test_single_precision_costs_a_few_of_its_digits(case):
    difference = case.difference(*supported(case))
    expected = activation(case.model, supported(case), case.batches()).squared(difference)
    case.model.float()
    case.images = case.images.float()
    assert activation(case.model, supported(case), case.batches()).squared(difference) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_an_image_alone_and_every_number_of_axes(kind):
    torch.manual_seed(0)
    layer = [nn.Conv1d, nn.Conv2d, nn.Conv3d][kind - 1](2, 3, 2, stride=2, padding=1).double()
    image = torch.randn(2, *[5, 4, 3][:kind], dtype=torch.float64)
    weight = np.random.default_rng(0).normal(size=tuple(layer.weight.shape))
    outputs = layer._conv_forward(image[None], torch.from_numpy(weight), None)[0].flatten(1).T.numpy()
    expected = ((outputs - outputs.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).mean()
    metric = activation(nn.Sequential(layer), ["0.weight"], lambda: iter([(image, image)]))
    assert metric.squared({"0.weight": weight}) == pytest.approx(expected, rel=1e-13)


def test_attention_and_tensors_of_other_modules_are_refused_all_at_once(made):
    case = made("tokens")
    attention = "block.self_attn.in_proj_weight,block.self_attn.out_proj"
    with pytest.raises(UsageError, match=rf"in_proj_weight is no weight of a Linear.*: give --exclude {attention}$"):
        activation(case.model, case.tensors, case.batches())
    with pytest.raises(UsageError, match=r"out_proj is not called for the first batch.*self_attn.out_proj$"):
        activation(case.model, ["head.weight", "block.self_attn.out_proj.weight"], case.batches())
    with pytest.raises(UsageError, match=r"layer gone is no weight of a Linear.*--exclude gone$"):
        activation(case.model, ["gone.weight", "head.weight"], case.batches())
    images = torch.randn(1, 2, 4, 4)
    with pytest.raises(UsageError, match="layer 0 is no weight of a Linear"):
        activation(nn.Sequential(nn.ConvTranspose2d(2, 2, 2)), ["0.weight"], lambda: iter([(images, images)]))


class Standardised(nn.Conv2d):
    def forward(self, images):
        return self._conv_forward(images, self.weight - self.weight.mean(), self.bias)


class PadsItself(nn.Conv2d):
    def forward(self, images):
        return self._conv_forward(nn.functional.pad(images, (0, 1, 0, 1)), self.weight, self.bias)


class Same(nn.Linear):
    """As some libraries' own linear layers."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight, self.bias)


@pytest.mark.parametrize("kind", [Standardised, PadsItself])
def test_layers_with_rules_of_their_own_are_refused(kind):
    torch.manual_seed(0)
    images = torch.randn(4, 2, 140, 140)
    with pytest.raises(UsageError, match=f"layer 0 is a {kind.__name__} that computes something else.*--exclude 0$"):
        activation(nn.Sequential(kind(2, 3, 3, stride=2)), ["0.weight"], lambda: iter([(images, images)]))


def test_a_subclass_that_computes_the_same_is_not_refused():
    images = torch.randn(4, 6)
    metric = activation(nn.Sequential(Same(6, 3)), ["0.weight"], lambda: iter([(images, images)]))
    assert metric.squared({"0.weight": np.eye(3, 6)}) > 0


def test_what_the_network_changes_in_place_later_was_taken_before():
    class Clears(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 3)

        def forward(self, x):
            out = self.fc(x)
            x.zero_()
            return out

    images = torch.randn(4, 6)
    difference = {"fc.weight": np.eye(3, 6)}
    expected = activation(nn.Sequential(Same(6, 3)), ["0.weight"], lambda: iter([(images, images)]))
    found = activation(Clears(), ["fc.weight"], lambda: iter([(images.clone(), images)]))
    assert found.squared(difference) == expected.squared({"0.weight": np.eye(3, 6)}) > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_refused(made, bad, unchanged):
    case = made("residual")
    case.images[3, 0, 0, 0] = bad
    check = unchanged(case.model)
    with pytest.raises(ApcliError, match="layer stem has NaN or Inf in its inputs"):
        activation(case.model, ["stem.weight"], case.batches())
    check()


# ---- the inputs themselves


def test_sums_of_squares_are_the_second_moments_diagonal(case):
    moments = inputs(case.model, supported(case), case.batches(), SecondMoment)
    sums = inputs(case.model, supported(case), case.batches(), SquareSums)
    assert moments.keys() == sums.keys() == set(supported(case))
    for name, moment in moments.items():
        assert (moment.count, moment.groups, moment.columns) == (sums[name].count, *sums[name].squares.shape)
        torch.testing.assert_close(moment.squares, sums[name].squares, rtol=1e-13, atol=0)
        diagonal = moment.matrix.diagonal(dim1=1, dim2=2)
        torch.testing.assert_close(diagonal * moment.count, sums[name].squares, rtol=1e-13, atol=0)


def test_layers_come_in_the_order_of_their_calls(made):
    case = made("linear")
    backwards = inputs(case.model, case.tensors[::-1], case.batches(), SquareSums)
    assert list(backwards) == case.tensors


@pytest.mark.parametrize("samples", [2, 20])
def test_a_weight_that_modules_share_has_the_inputs_of_all(samples):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    model[2].weight = model[0].weight
    images = torch.randn(samples, 3, dtype=torch.float64)
    every = torch.cat([images, model[:2](images).detach()])
    for name in ("0.weight", "2.weight"):
        (moment,) = inputs(model, [name], lambda: iter([(images, images)]), SecondMoment).values()
        torch.testing.assert_close(moment.matrix[0], every.mT @ every / len(every), rtol=1e-12, atol=1e-14)


def test_inputs_too_many_for_their_second_moment(monkeypatch):
    monkeypatch.setattr(activations, "LARGEST", 35)
    images = torch.randn(9, 6)
    with pytest.raises(UsageError, match="a layer's 6 inputs is too large: give fewer --images than that"):
        activation(nn.Sequential(nn.Linear(6, 2)), ["0.weight"], lambda: iter([(images, images)]))


def test_the_inputs_themselves_have_the_sums(case):
    names = supported(case)
    rows, moments, squares = (
        inputs(case.model, names, case.batches(), kind) for kind in (Inputs, SecondMoment, SquareSums)
    )
    for name in names:
        h = rows[name].rows
        assert h.dtype == torch.float64
        assert h.shape[1] == rows[name].count == moments[name].count
        assert torch.allclose(h.mT @ h / rows[name].count, moments[name].matrix, rtol=1e-12)
        assert torch.allclose(rows[name].squares, squares[name].squares, rtol=1e-12)
