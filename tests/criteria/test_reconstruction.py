"""SparseGPT against a plain loop over inverses of Hessians, and against closed forms of optimal brain surgeon."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from apcli.criteria.reconstruction import sparsegpt
from apcli.criteria.subject import Subject
from apcli.errors import ApcliError, UsageError


def pruned(model, images, removed=None, *, block=128, damping=0.01, pattern=None, size=50, tensors=None):
    tensors = tensors or [name for name, p in model.named_parameters() if p.dim() >= 2]
    removed = removed if isinstance(removed, dict) else dict.fromkeys(tensors, removed)
    batches = lambda: ((part, part) for part in images.split(size))  # noqa: E731
    subject = Subject(model, tensors, batches, lambda scores, share: {}, removed, pattern)
    return sparsegpt(subject, block=block, damping=damping)


def correlated(samples, columns, seed=0):
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.normal(size=(samples, columns)) @ draw.normal(size=(columns, columns)) + 0.3)


def linear(weight):
    model = nn.Sequential(nn.Linear(weight.shape[1], weight.shape[0], bias=False)).double()
    model[0].weight.data.copy_(torch.as_tensor(weight))
    return model


def hessian_of(h, damping):
    h = np.asarray(h)
    hessian = 2 * h.T @ h / len(h)
    return hessian + damping * np.diag(hessian).mean() * np.eye(len(hessian))


def plainly(weight, hessian, counts, block, pattern=None):
    """Algorithm 1 as a loop over columns, each with the inverse of what remains of H; ``counts``: zeros by block."""
    weight = np.array(weight, np.float64)
    columns = weight.shape[1]
    inverses = [np.linalg.inv(hessian[j:, j:]) for j in range(columns)]
    gone = np.zeros(weight.shape, bool)
    for j in range(columns):
        if j % block == 0:
            scores = np.stack(
                [weight[:, c] ** 2 / inverses[c][0, 0] for c in range(j, min(j + block, columns))], axis=1
            )
            if pattern:
                for row, score in enumerate(scores):
                    gone[row, j + np.argsort(score, kind="stable")[: pattern[1] - pattern[0]]] = True
            else:
                flat = np.zeros(scores.size, bool)
                flat[np.argsort(scores.ravel(), kind="stable")[: counts[j // block]]] = True
                gone[:, j : j + block] = flat.reshape(scores.shape)
        for row in np.flatnonzero(gone[:, j]):
            weight[row, j:] -= weight[row, j] / inverses[j][0, 0] * inverses[j][0]
            weight[row, j] = 0
    return weight


def error_of(change, h):
    return float(np.square(np.asarray(h) @ np.asarray(change).T).sum(axis=1).mean())


@pytest.mark.parametrize(("block", "counts"), [(128, [30]), (4, [10, 10, 10]), (5, [13, 12, 5])])
@pytest.mark.parametrize("damping", [0.01, 0.5, 0.0])
def test_it_is_algorithm_1(block, counts, damping):
    h = correlated(200, 12)
    weight = np.random.default_rng(1).normal(size=(5, 12))
    found = pruned(linear(weight), h, 30, block=block, damping=damping)["0.weight"]
    np.testing.assert_allclose(found, plainly(weight, hessian_of(h, damping), counts, block), rtol=1e-8, atol=1e-10)
    assert np.count_nonzero(found == 0) == 30


@pytest.mark.parametrize("pattern", [(2, 4), (1, 4), (3, 6), (1, 2), (2, 2)])
def test_it_is_algorithm_1_with_a_pattern(pattern):
    h = correlated(200, 12)
    weight = np.random.default_rng(1).normal(size=(5, 12))
    found = pruned(linear(weight), h, pattern=pattern, block=5)["0.weight"]
    np.testing.assert_allclose(
        found, plainly(weight, hessian_of(h, 0.01), [], pattern[1], pattern), rtol=1e-8, atol=1e-10
    )
    assert (np.count_nonzero(found.reshape(5, -1, pattern[1]), axis=2) == pattern[0]).all()


def test_one_weight_goes_as_hassibi_and_stork_say():
    """The first of a row has all others to make up for it: -w_q / [H^-1]_qq H^-1 e_q."""
    h = correlated(100, 8)
    weight = np.array([[0.001, 2, -1, 3, 1, -2, 1.5, 1]])
    inverse = np.linalg.inv(hessian_of(h, 0.01))
    found = pruned(linear(weight), h, 1)["0.weight"]
    np.testing.assert_allclose(found, weight - weight[0, 0] / inverse[0, 0] * inverse[:1], atol=1e-12)


def test_where_all_that_goes_is_to_the_left_it_is_the_least_squares_optimum():
    """Then nothing that could make up for it is frozen: the kept weights solve min |H h - W h|^2 on their mask."""
    h = correlated(300, 10).numpy()
    weight = np.random.default_rng(2).normal(size=(1, 10))
    weight[0, :4] *= 1e-4
    found = pruned(linear(weight), torch.from_numpy(h), 4, damping=0.0)["0.weight"]
    assert (found[0, :4] == 0).all()
    optimum = np.linalg.lstsq(h[:, 4:], h @ weight[0], rcond=None)[0]
    np.testing.assert_allclose(found[0, 4:], optimum, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("block", [8, 128])
def test_on_correlated_inputs_it_beats_its_own_mask_without_update_and_magnitude(share, block):
    """Rectified inputs of an autoregressive process, as a network's are: neighbours are alike."""
    distance = np.abs(np.subtract.outer(np.arange(32), np.arange(32)))
    h = np.random.default_rng(3).multivariate_normal(np.zeros(32), 0.9**distance, size=500).clip(0)
    weight = np.random.default_rng(4).normal(size=(16, 32))
    found = pruned(linear(weight), torch.from_numpy(h), round(share * weight.size), block=block)["0.weight"]
    error = error_of(found - weight, h)
    magnitude = np.where(np.abs(weight) > np.quantile(np.abs(weight), share), weight, 0)
    assert error < 0.7 * error_of(np.where(found == 0, 0, weight) - weight, h)
    assert error < 0.7 * error_of(magnitude - weight, h)


@pytest.mark.parametrize("pattern", [None, (1, 2)])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, padding=1),
        nn.Conv2d(4, 6, 2, groups=2, stride=2),
        nn.Conv2d(4, 8, 1, bias=False),
    ],
    ids=["plain", "grouped", "pointwise"],
)
def test_a_convolution_is_a_linear_layer_of_patches(layer, pattern):
    """A grouped one is several, whose weights compete; the groups of a pattern run along the channels."""
    torch.manual_seed(0)
    layer.double()
    images = torch.randn(40, 4, 6, 6, dtype=torch.float64).cumsum(dim=2)
    groups, shape = layer.groups, layer.weight.shape
    weight = layer.weight.detach().numpy().reshape(groups, shape[0] // groups, -1)
    half = layer.weight.numel() // 2
    found = pruned(nn.Sequential(layer), images, half, pattern=pattern)["0.weight"]
    assert found.shape == shape
    assert np.count_nonzero(found == 0) == half
    patches = F.unfold(images, layer.kernel_size, padding=layer.padding, stride=layer.stride)
    patches = patches.movedim(1, 2).reshape(-1, groups, weight.shape[2]).numpy()
    order = np.arange(weight.shape[2])
    if pattern:
        order = order.reshape(shape[1:]).transpose(1, 2, 0).ravel()
        assert (np.count_nonzero(found.reshape(shape[0], -1, 2, *shape[2:]), axis=2) == 1).all()
    for group in range(groups):
        hessian = hessian_of(patches[:, group], 0.01)[order][:, order]
        mine = found.reshape(weight.shape)[group][:, order]
        count = np.count_nonzero(mine == 0)
        expected = plainly(weight[group][:, order], hessian, [count], 2 if pattern else 10**6, pattern)
        np.testing.assert_allclose(mine, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv3d])
def test_every_number_of_axes(kind):
    torch.manual_seed(0)
    layer = kind(2, 4, 2, groups=2)
    images = torch.randn(30, 2, *[4] * (layer.weight.dim() - 2))
    found = pruned(nn.Sequential(layer), images, 5)["0.weight"]
    assert (found.shape, found.dtype) == (tuple(layer.weight.shape), np.float32)
    assert np.count_nonzero(found == 0) == 5


# ---- the count, whatever the weights


@st.composite
def layers(draw):
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4)) * 2
    values = draw(st.sampled_from([[1.0], [0.0, -0.0, 1.0], [0.0, 1.0, -1.0, 0.5, 1e-30, 1e30], [-2.0, 2.0]]))
    cells = st.lists(st.sampled_from(values), min_size=rows * columns, max_size=rows * columns)
    weight = np.array(draw(cells)).reshape(rows, columns)
    dead = draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    return weight, dead, draw(st.integers(0, weight.size)), draw(st.integers(1, columns + 1))


@pytest.mark.slow
@settings(max_examples=150)
@given(layers())
def test_exactly_as_many_zeros_as_asked(case):
    weight, dead, removed, block = case
    h = correlated(60, weight.shape[1])
    h[:, dead] = 0
    found = pruned(linear(weight), h, removed, block=block, size=60)["0.weight"]
    zeros = weight == 0
    assert np.count_nonzero(found == 0) == max(removed, zeros.sum())
    assert (found[zeros] == 0).all()
    if removed <= zeros.sum():
        np.testing.assert_array_equal(found, weight)
    gone_alive = (found == 0) & ~zeros & ~np.array(dead)
    kept_dead = (found != 0) & np.array(dead)
    assert not (gone_alive.any() and kept_dead.any())  # what only ever meets zeros goes first


@pytest.mark.slow
@settings(max_examples=40)
@given(layers())
def test_every_group_of_a_pattern_keeps_n_or_the_fewer_it_had(case):
    weight, dead, *_ = case
    h = correlated(60, weight.shape[1])
    h[:, dead] = 0
    found = pruned(linear(weight), h, pattern=(1, 2), size=60)["0.weight"]
    had = np.count_nonzero(weight.reshape(len(weight), -1, 2), axis=2)
    assert (np.count_nonzero(found.reshape(len(weight), -1, 2), axis=2) == np.minimum(had, 1)).all()
    assert (found[weight == 0] == 0).all()


def test_ties_go_by_index():
    """Inputs that are alike and apart make all scores equal."""
    found = pruned(linear(np.ones((3, 4))), 2 * torch.eye(4, dtype=torch.float64), 5)["0.weight"]
    assert (found == 0).tolist() == [[True] * 4, [True] + [False] * 3, [False] * 4]
    found = pruned(linear(np.ones((3, 4))), 2 * torch.eye(4, dtype=torch.float64), 6, block=2)["0.weight"]
    assert (found == 0).tolist() == [[True] * 4, [True, False] * 2, [False] * 4]


def test_blocks_share_what_goes_by_what_is_left_of_them():
    """The first block is all zero already; the other three lose 6 of 8 each."""
    weight = np.random.default_rng(5).normal(size=(4, 8))
    weight[:, :2] = 0
    found = pruned(linear(weight), correlated(100, 8), 8 + 18, block=2)["0.weight"]
    assert [np.count_nonzero(found[:, j : j + 2] == 0) for j in range(0, 8, 2)] == [8, 6, 6, 6]


def test_pruning_again_by_as_much_changes_nothing():
    h = correlated(100, 12)
    weight = np.random.default_rng(6).normal(size=(4, 12))
    once = pruned(linear(weight), h, 20, block=4)["0.weight"]
    np.testing.assert_array_equal(pruned(linear(once), h, 20, block=4)["0.weight"], once)


def test_dead_inputs_need_no_damping():
    h = correlated(100, 6)
    h[:, [1, 4]] = 0
    weight = np.random.default_rng(7).normal(size=(2, 6))
    found = pruned(linear(weight), h, 5, damping=0.0)["0.weight"]
    assert (found[:, [1, 4]] == 0).all()
    alive = [0, 2, 3, 5]
    expected = plainly(weight[:, alive], hessian_of(h[:, alive], 0.0), [1], 4)
    np.testing.assert_allclose(found[:, alive], expected, rtol=1e-9, atol=1e-12)
    nothing = pruned(linear(weight), torch.zeros(3, 6, dtype=torch.float64), 3)["0.weight"]
    np.testing.assert_array_equal(nothing.ravel(), [0, 0, 0, *weight.ravel()[3:]])


# ---- networks


class Backwards(nn.Module):
    """Registers its layers in another order than it calls them."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 3)
        self.norm = nn.BatchNorm1d(6)
        self.first = nn.Linear(5, 6)

    def forward(self, x):
        return self.last(self.norm(self.first(x)).relu())


def test_a_layer_gets_the_inputs_that_the_pruned_ones_before_it_make():
    torch.manual_seed(0)
    model = Backwards().double()
    nn.init.uniform_(model.norm.running_var, 0.5, 2)
    images = correlated(100, 5)
    found = pruned(model, images, {"first.weight": 15, "last.weight": 9})
    assert list(found) == ["last.weight", "first.weight"]
    first = plainly(model.first.weight.detach().numpy(), hessian_of(images, 0.01), [15], 99)
    np.testing.assert_allclose(found["first.weight"], first, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        hidden = model.norm.eval()(F.linear(images, torch.from_numpy(first), model.first.bias)).relu()
    last = plainly(model.last.weight.detach().numpy(), hessian_of(hidden, 0.01), [9], 99)
    np.testing.assert_allclose(found["last.weight"], last, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("damping", [0.01, 0.0])
def test_the_network_stays_as_it_was_even_where_it_fails(damping):
    """Without damping the second layer's Hessian, of 6 samples and 16 inputs, is singular."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3))
    nn.init.zeros_(model[0].weight[0].data)
    model[0].weight.data[0] *= -1  # zeros of both signs
    model[1].eval()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(6, 4)
    if damping:
        found = pruned(model, images, 20, damping=damping)
        assert all(np.count_nonzero(new == 0) == 20 for new in found.values())
    else:
        with pytest.raises(ApcliError, match=r"layer 4: the Hessian .* not positive definite with damping 0: raise"):
            pruned(model, images, 20, damping=damping)
    for name, value in model.state_dict().items():
        assert value.numpy().tobytes() == state[name].numpy().tobytes()
    assert [module.training for module in model] == [True, False, True, True, True]
    assert not any(module._forward_hooks for module in model)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize(("dtype", "given"), [(torch.float16, np.float16), (torch.bfloat16, np.float32)])
def test_half_precision(dtype, given):
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4)).to(dtype)
    images = torch.randn(50, 8).to(dtype)
    found = pruned(model, images, 12)
    exact = pruned(model.double(), images.double(), 12)
    for new in found.values():
        assert new.dtype == given
        assert np.count_nonzero(new == 0) == 12
        assert torch.equal(torch.from_numpy(new).to(dtype).double(), torch.from_numpy(new).double())
    np.testing.assert_allclose(found["0.weight"], exact["0.weight"], rtol=0.02, atol=0.01)


def test_a_weight_that_two_modules_share_is_reconstructed_once():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5)).double()
    model[2].weight = model[0].weight
    images = correlated(40, 5)
    both = torch.cat([images, model[:2](images).detach()])
    found = pruned(model, images, 10, tensors=["0.weight", "2.weight"])
    expected = plainly(model[0].weight.detach().numpy(), hessian_of(both, 0.01), [10], 99)
    np.testing.assert_allclose(found["0.weight"], expected, rtol=1e-8, atol=1e-11)
    np.testing.assert_array_equal(found["0.weight"], found["2.weight"])


# ---- refusals


def test_attention_that_reads_its_weights_itself_is_refused():
    attention = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    with pytest.raises(UsageError, match=r"--exclude self_attn.in_proj_weight,self_attn.out_proj$"):
        pruned(attention, torch.randn(3, 5, 4), 2)


def test_too_many_inputs(monkeypatch):
    monkeypatch.setattr("apcli.criteria.reconstruction.LARGEST", 100)
    model = nn.Sequential(nn.Linear(10, 11), nn.Linear(11, 12), nn.Linear(12, 2))
    with pytest.raises(UsageError, match=r"layer 1 has too many inputs .* at most 10: give --exclude 1,2$"):
        pruned(model, torch.randn(30, 10), 3)


def test_a_new_weight_beyond_its_dtype():
    """The second input is a hundredth of the first, whose weight goes: the second's must be a hundred times it."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False)).half()
    model[0].weight.data.copy_(torch.tensor([[2000.0, 60000.0]]))
    ramp = torch.linspace(1, 2, 50)
    images = torch.stack([ramp, ramp / 100], dim=1).half()
    with pytest.raises(ApcliError, match=r"layer 0: a new weight is too large for torch.float16: raise"):
        pruned(model, images, 1, damping=1e-6)


def test_inputs_that_are_no_numbers():
    with pytest.raises(ApcliError, match="layer 0 has NaN or Inf in its inputs"):
        pruned(linear(np.ones((2, 2))), torch.tensor([[1.0, np.inf]]).double(), 1)
