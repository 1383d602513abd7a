"""Which tensors' entries belong to one channel, and which channels must stay."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from apcli.channels.groups import channel_graph
from apcli.channels.removal_check import RemovalCheck
from apcli.models.resnet_cifar import resnet20


def groups_of(model, shape=(3, 8, 8)):
    return {group.name: group for group in channel_graph(model, torch.randn(1, *shape)).groups}


def places(parts):
    return {(part.tensor, part.dim): part.positions.tolist() for part in parts}


def own(count):
    """Channel c has the entry c."""
    return [[channel] for channel in range(count)]


class Net(nn.Module):
    """``modules`` by name and a forward pass that takes the network and the images."""

    def __init__(self, forward, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def head(channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


def test_a_chain_through_a_norm_and_a_flattened_map():
    model = nn.Sequential(
        *[nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.PReLU(2)],
        *[nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2 * 4, 5)],
    )
    found = groups_of(model)
    assert list(found) == ["0", "3", "7"]
    first, second, last = found.values()
    assert (first.size, places(first.producers)) == (4, {("0.weight", 0): own(4)})
    assert places(first.consumers) == {("3.weight", 1): own(4)}
    assert places(first.others) == {
        (name, 0): own(4) for name in ("0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    }
    assert places(second.consumers) == {("7.weight", 1): [[0, 1, 2, 3], [4, 5, 6, 7]]}
    assert places(second.others) == {("3.bias", 0): own(2), ("4.weight", 0): own(2)}
    assert first.fixed == second.fixed == ""
    assert last.fixed == "they are the network's output"
    assert last.consumers == ()


def test_a_sum_couples_its_terms():
    model = Net(
        lambda m, x: m.head(F.relu(m.down(x) + m.b(F.relu(m.a(x))))),
        **{"a": nn.Conv2d(3, 6, 3, padding=1), "b": nn.Conv2d(6, 4, 1), "down": nn.Conv2d(3, 4, 1), "head": head(4)},
    )
    found = groups_of(model)
    assert list(found) == ["a", "b", "head.2"]
    assert places(found["a"].consumers) == {("b.weight", 1): own(6)}
    assert places(found["b"].producers) == {("b.weight", 0): own(4), ("down.weight", 0): own(4)}
    assert not found["b"].fixed


def test_joined_branches_keep_their_own_channels():
    model = Net(
        lambda m, x: m.head(m.c(F.relu(m.norm(torch.cat([m.a(x), m.b(x)], 1))))),
        **{"a": nn.Conv2d(3, 2, 1), "b": nn.Conv2d(3, 3, 1), "norm": nn.BatchNorm2d(5), "c": nn.Conv2d(5, 4, 1)},
        head=head(4),
    )
    found = groups_of(model)
    assert places(found["a"].consumers) == {("c.weight", 1): [[0], [1]]}
    assert places(found["b"].consumers) == {("c.weight", 1): [[2], [3], [4]]}
    assert places(found["b"].others)["norm.running_var", 0] == [[2], [3], [4]]


def test_a_sum_with_a_join_is_cut_where_its_parts_meet():
    """No channel is in two groups, whichever layer comes first."""
    parts = {"a": nn.Conv2d(3, 2, 1), "b": nn.Conv2d(3, 3, 1), "x": nn.Conv2d(3, 5, 1), "head": head(5)}
    for order in (["a", "b", "x", "head"], ["x", "a", "b", "head"]):
        model = Net(
            lambda m, x: m.head(m.x(x) + torch.cat([m.a(x), m.b(x)], 1)), **{name: parts[name] for name in order}
        )
        found = [group for group in groups_of(model).values() if not group.fixed]
        rows = [places(group.producers)["x.weight", 0] for group in found]
        assert sorted(rows) == [[[0], [1]], [[2], [3], [4]]]
        for group, name in zip(sorted(found, key=lambda group: group.size), "ab", strict=True):
            assert places(group.producers)[f"{name}.weight", 0] == own(group.size)
            assert places(group.consumers)["head.2.weight", 1] == places(group.producers)["x.weight", 0]


def test_depthwise_weights_and_gates_go_along():
    model = Net(
        lambda m, x: m.head(
            (lambda y: y * torch.sigmoid(m.up(F.relu(m.squeeze(y.mean((2, 3), True))))))(m.depth(m.a(x)))
        ),
        **{"a": nn.Conv2d(3, 6, 1), "depth": nn.Conv2d(6, 6, 3, groups=6), "squeeze": nn.Conv2d(6, 2, 1)},
        **{"up": nn.Conv2d(2, 6, 1), "head": head(6)},
    )
    found = groups_of(model)
    assert places(found["a"].producers) == {("a.weight", 0): own(6), ("up.weight", 0): own(6)}
    assert set(places(found["a"].consumers)) == {("squeeze.weight", 1), ("head.2.weight", 1)}
    assert places(found["a"].others)["depth.weight", 0] == own(6)
    assert places(found["squeeze"].consumers) == {("up.weight", 1): own(2)}
    assert "depth" not in found


def test_rows_that_meet_in_a_sum_are_one_channel():
    """As in GhostNet: half of the channels are made of the other half, and what is added to both has pairs of rows."""
    model = Net(
        lambda m, x: m.head(m.stem(x) + (lambda y: torch.cat([y, m.cheap(y)], 1))(m.a(x))),
        **{"stem": nn.Conv2d(3, 6, 1), "a": nn.Conv2d(3, 3, 1), "cheap": nn.Conv2d(3, 3, 3, padding=1, groups=3)},
        head=head(6),
    )
    pairs = [[0, 3], [1, 4], [2, 5]]
    group = groups_of(model)["stem"]
    assert (group.size, group.fixed) == (3, "")
    assert places(group.producers) == {("stem.weight", 0): pairs, ("a.weight", 0): own(3)}
    assert places(group.consumers) == {("head.2.weight", 1): pairs}
    assert places(group.others)["cheap.weight", 0] == own(3)


def test_transposed_convolutions_have_their_rows_second():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 2), nn.Conv2d(6, 2, 1), *head(2))
    found = groups_of(model)
    assert places(found["0"].consumers) == {("1.weight", 0): own(4)}
    assert places(found["1"].producers) == {("1.weight", 1): own(6)}


def test_a_flattened_map_beside_layers_of_tokens():
    """A linear layer of three-dimensional input does not change what flattening an image means."""
    model = Net(
        lambda m, x: m.fc(m.a(x).flatten(1)) + m.words(x.flatten(2)).mean((1, 2), keepdim=False)[:, None],
        **{"a": nn.Conv2d(3, 4, 1), "fc": nn.Linear(4 * 64, 5), "words": nn.Linear(64, 7)},
    )
    found = groups_of(model)
    positions = np.array(places(found["a"].consumers)["fc.weight", 1])
    np.testing.assert_array_equal(positions, np.arange(256).reshape(4, 64))


def attended(m, x):
    tokens = x.flatten(2).transpose(1, 2)
    q, k, v = m.qkv(tokens).reshape(len(x), 64, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    out = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(x), 64, 8)
    return m.fc(m.proj(out).mean(1))


class Standardised(nn.Conv2d):
    """A convolution whose weight is standardised before it is taken, as in BiT and NFNets."""

    def forward(self, x):
        rows = self.weight.reshape(1, self.out_channels, -1)
        weight = F.batch_norm(rows, None, None, training=True).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias)


def selected(m, x):
    """Two branches weighed against each other, channel by channel, as in selective-kernel networks."""
    branches = torch.stack([m.a(x), m.b(x)], 1)
    scores = m.choose(branches.sum(1).mean((2, 3), keepdim=True))
    return m.head((branches * scores.reshape(len(x), 2, 4, 1, 1).softmax(1)).sum(1))


class Parametered(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(4, 1, 1))
        self.a, self.head = nn.Conv2d(3, 4, 1), head(4)

    def forward(self, x):
        return self.head(self.a(x) * self.gamma)


def tied():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), *head(4))
    model[2].weight = model[1].weight
    return model


@pytest.mark.parametrize(
    ("model", "name", "reason"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.LayerNorm(4), nn.Linear(4, 5)), "1", "statistics"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(1, 4), *head(4)), "0", "statistics"),
        (
            Net(lambda m, x: m.head(m.a(x) / m.a(x).norm(dim=1, keepdim=True)), a=nn.Conv2d(3, 4, 1), head=head(4)),
            *("a", "statistics"),
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 1), Standardised(4, 6, 1), *head(6)), "0", "a weight is standardised over them"),
        (
            Net(lambda m, x: m.head((lambda y: y * y.softmax(1))(m.a(x))), a=nn.Conv2d(3, 4, 1), head=head(4)),
            *("a", "a softmax weighs them"),
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 1), weight_norm(nn.Conv2d(4, 4, 1)), *head(4)), "0", "computed from"),
        (Net(lambda m, x: m.head(m.a(x)[:, 2:6]), a=nn.Conv2d(3, 8, 1), head=head(4)), "a[2-5]", "split"),
        (Net(lambda m, x: m.head(m.a(x) * m.a(x)[:, :1]), a=nn.Conv2d(3, 8, 1), head=head(8)), "a", "split"),
        (Net(lambda m, x: m.head(m.a(x).roll(1, 1)), a=nn.Conv2d(3, 4, 1), head=head(4)), "a", "order matters"),
        (
            Net(lambda m, x: m.head(m.a(x) * x.mean((2, 3)).repeat(1, 2)[..., None, None]), a=nn.Conv2d(3, 6, 1),
                head=head(6)),
            *("a", "numbers that no layer makes"),
        ),
        (
            Net(lambda m, x: m.head(m.a(x).cumsum(1)), a=nn.Conv2d(3, 4, 1), head=head(4)),
            *("a", "apcli does not follow cumsum in the network"),
        ),
        (Net(lambda m, x: (m.head(m.a(x)), m.a(x)), a=nn.Conv2d(3, 4, 1), head=head(4)), "a", "output"),
    ],
)  # fmt: skip
def test_channels_that_must_stay_say_why(model, name, reason):
    group = groups_of(model)[name]
    assert reason in group.fixed
    assert group.of_norm == (reason in ("statistics", "a weight is standardised over them"))


def slabs(count, width):
    """Channel c has the entries from c width on."""
    return [list(range(c * width, (c + 1) * width)) for c in range(count)]


def strides(count, times):
    """Channel c has each entry c + k count."""
    return [[c + k * count for k in range(times)] for c in range(count)]


@pytest.mark.parametrize(
    ("model", "name", "tensor", "entries"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), *head(4)), "0", "0.weight", slabs(2, 2)),
        (nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 9, 1, groups=3), *head(9)), "0", "1.weight", slabs(3, 3)),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=2), *head(8)), "1", "1.weight", strides(4, 2)),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 1, groups=4), *head(8)), "0", "1.weight", slabs(4, 2)),
        (nn.Sequential(nn.Conv2d(3, 6, 1), nn.ConvTranspose2d(6, 9, 1, groups=3), *head(9)), "0", "1.weight",
         slabs(3, 2)),
        (Parametered(), "a", "gamma", own(4)),
        (Net(attended, qkv=nn.Linear(3, 24), proj=nn.Linear(8, 6), fc=nn.Linear(6, 5)), "qkv", "proj.weight",
         slabs(2, 4)),
        (Net(lambda m, x: m.head(m.attend(*[m.up(x).flatten(2).mT] * 3, need_weights=False)[0].mT[..., None]),
            up=nn.Conv2d(3, 6, 1), attend=nn.MultiheadAttention(6, 3, batch_first=True), head=head(6)),
         "attend.in_proj_weight",
         "attend.out_proj.weight", slabs(3, 2)),
        (Net(selected, a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 4, 1), choose=nn.Conv2d(4, 8, 1), head=head(4)), "a",
         "choose.weight", strides(4, 2)),
        (Net(lambda m, x: m.head(sum(m.a(x).chunk(2, 1))), a=nn.Conv2d(3, 8, 1), head=head(4)), "a", "a.weight",
         strides(4, 2)),
        (Net(lambda m, x: m.head(F.pad(m.a(x), (0, 0, 0, 0, 1, 1))), a=nn.Conv2d(3, 4, 1), head=head(6)), "a",
         "head.2.weight", [[1], [2], [3], [4]]),
        (Net(lambda m, x: m.head(m.a(x).unflatten(1, (2, 3)).mean(2)), a=nn.Conv2d(3, 6, 1), head=head(2)), "a",
         "a.weight", slabs(2, 3)),
        (Net(lambda m, x: m.head(torch.cat([x, m.a(x)], 1)), a=nn.Conv2d(3, 4, 1), head=head(7)), "a",
         "head.2.weight", [[3], [4], [5], [6]]),
        (Net(lambda m, x: m.head(F.pixel_shuffle(m.a(x), 2)), a=nn.Conv2d(3, 8, 1), head=head(2)), "a", "a.weight",
         slabs(2, 4)),
        (Net(lambda m, x: m.head(F.channel_shuffle(m.a(x), 2)), a=nn.Conv2d(3, 6, 1), head=head(6)), "a", "a.weight",
         strides(3, 2)),
        (tied(), "0", "2.weight", own(4)),
    ],
)  # fmt: skip
def test_channels_of_several_entries_go_together(model, name, tensor, entries):
    groups = groups_of(model)
    group = groups[name]
    assert group.fixed == ""
    removed = {name: np.arange(group.size // 2)}
    assert RemovalCheck(model, (3, 8, 8), channel_graph(model, torch.zeros(1, 3, 8, 8))).failing([group], removed) == []
    found = [part.positions.tolist() for part in group.parts if part.tensor == tensor]
    assert entries in found


def test_spatial_padding_and_slices_fix_nothing():
    model = Net(
        lambda m, x: m.head(F.pad(m.a(x), (1, 1, 1, 1))[:, :, ::2, 1:]),
        a=nn.Conv2d(3, 4, 1),
        head=head(4),
    )
    assert groups_of(model)["a"].fixed == ""


def test_what_other_code_takes_keeps_its_channels_in_words():
    """NumPy is not followed."""
    through = lambda x: torch.from_numpy(np.tanh(x.cpu().numpy()))  # noqa: E731
    model = Net(lambda m, x: m.head(m.b(through(m.a(x)))), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 4, 1), head=head(4))
    groups = groups_of(model)
    assert groups["a"].fixed == "no layer reads them by operations of PyTorch"
    assert groups["b"].fixed == ""


def test_padded_shortcuts_carry_the_stream_between_what_they_add():
    """Option A: 16 channels become the middle ones of 32, and these of 64; their zeros go with the filters."""
    found = groups_of(resnet20(10, (3, 32, 32)), (3, 32, 32))
    assert [name for name, group in found.items() if group.fixed] == ["fc"]
    inner = [f"layer{s}.{b}.conv1" for s in (1, 2, 3) for b in range(3)]
    assert set(found) == {"conv1", "layer2.0.conv2", "layer3.0.conv2", "fc", *inner}
    rows = places(found["conv1"].producers)
    assert rows["layer1.2.conv2.weight", 0] == own(16)
    assert rows["layer2.1.conv2.weight", 0] == [[8 + c] for c in range(16)]
    assert rows["layer3.2.conv2.weight", 0] == [[24 + c] for c in range(16)]
    added = places(found["layer2.0.conv2"].producers)
    assert added["layer2.0.conv2.weight", 0] == [[c] for c in (*range(8), *range(24, 32))]
    assert found["layer3.0.conv2"].size == 32


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 4, 3), *head(4)).train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [(m.training, len(m._forward_hooks)) for m in model.modules()]
    with torch.no_grad():
        groups = channel_graph(model, torch.randn(2, 3, 8, 8)).groups
    assert [group.fixed for group in groups] == ["", "", "they are the network's output"]
    assert [(m.training, len(m._forward_hooks)) for m in model.modules()] == flags
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()][:2] == [False, True]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_type_of_the_weights_does_not_matter(dtype):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head(4)).to(dtype)
    groups = channel_graph(model, torch.randn(1, 3, 8, 8, dtype=dtype)).groups
    assert [group.name for group in groups if not group.fixed] == ["0"]


def test_layers_without_a_part_in_the_output_have_no_group():
    model = Net(lambda m, x: m.head(m.a(x)), a=nn.Conv2d(3, 4, 1), unused=nn.Conv2d(3, 9, 1), head=head(4))
    assert list(groups_of(model)) == ["a", "head.2"]


def test_a_layer_called_twice_has_one_group():
    model = Net(lambda m, x: m.head(m.b(F.relu(m.b(m.a(x))))), a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(4, 4, 1), head=head(4))
    found = groups_of(model)
    assert places(found["a"].producers) == {("a.weight", 0): own(4), ("b.weight", 0): own(4)}
    assert places(found["a"].consumers) == {("b.weight", 1): own(4), ("head.2.weight", 1): own(4)}
