"""The check of a removal: positions by tensor, and groups for which a network is not the same without its channels."""

import numpy as np
import pytest
import timm
import torch
from channel_prunings import Branches, Misleading, without
from torch import nn
from torchvision.models import SwinTransformer, VisionTransformer

from apcli.channels.calls import resize_calls_, state_as_built_
from apcli.channels.groups import ChannelGroup, Part, channel_graph
from apcli.channels.removal_check import RemovalCheck, gone_of, kept_of
from apcli.errors import ApcliError
from apcli.models.copies import emptied

ARCHITECTURES = """
skresnet18 cspresnet50 efficientformer_l1 swin_tiny_patch4_window7_224 cait_xxs24_224 levit_128s coat_tiny
crossvit_tiny_240 tnt_s_patch16_224 pit_ti_224 twins_svt_small volo_d1_224 gcvit_xxtiny tiny_vit_5m_224
eva02_tiny_patch14_224 convit_tiny davit_tiny focalnet_tiny_srf hiera_tiny_224 botnet26t_256 halonet26t lambda_resnet26t
convformer_s18 dpn48b xcit_nano_12_p16_224 pvt_v2_b0 mobilevit_xxs maxvit_pico_rw_256 sequencer2d_s resnest14d
"""


def part(tensor: str, dim: int, *positions: list[int]) -> Part:
    return Part(tensor, dim, np.array(positions))


def test_positions_are_gathered_by_tensor_and_dimension():
    groups = [
        ChannelGroup("a", 3, (part("a", 0, [0], [1], [2]),), (part("fc", 1, [0, 1], [2, 3], [4, 5]),), ()),
        ChannelGroup("b", 2, (part("b", 0, [0], [1]),), (part("fc", 1, [6], [7]), part("fc", 0, [0], [1])), ()),
    ]
    gone = gone_of(groups, {"a": np.array([0, 2]), "b": np.array([1])})
    found = {(tensor, dim): each.tolist() for tensor, by_dim in gone.items() for dim, each in by_dim.items()}
    assert found == {("a", 0): [0, 2], ("fc", 1): [0, 1, 4, 5, 7], ("fc", 0): [1], ("b", 0): [1]}
    none = gone_of(groups, {"a": np.array([], dtype=int), "b": np.array([], dtype=int)})
    assert all(len(each) == 0 for by_dim in none.values() for each in by_dim.values())
    kept = kept_of((3, 8), gone["fc"])
    assert {dim: stay.tolist() for dim, stay in kept.items()} == {1: [2, 3, 6], 0: [0, 2]}
    assert kept_of((3, 8), none["fc"]) == {}


def halves(groups) -> dict[str, np.ndarray]:
    return {group.name: np.arange(group.size // 2) for group in groups}


def failing(model: nn.Module, shape=(3, 8, 8)) -> list[str]:
    """The groups that the graph takes for free and that the check finds not to be."""
    graph = channel_graph(model, torch.zeros(1, *shape))
    groups = [group for group in graph.groups if not group.fixed]
    return [group.name for group in RemovalCheck(model, shape, graph).failing(groups, halves(groups))]


def test_what_the_graph_has_wrong_is_found_and_no_more():
    assert failing(Misleading()) == ["first", "second"]
    assert failing(Branches(), (3, 16, 16)) == []


def tied():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(256, 5))
    model[2].weight = model[1].weight
    return model


class Recurrent(nn.Module):
    """A layer that is told its width, of a kind of ``torch.nn``."""

    def __init__(self, kind, **options):
        super().__init__()
        self.up, self.rnn = nn.Conv2d(3, 6, 1), getattr(nn, kind)(6, 4, 2, batch_first=True, **options)
        self.fc = nn.Linear(8 if self.rnn.bidirectional else 4, 5)

    def forward(self, x):
        return self.fc(self.rnn(self.up(x).flatten(2).mT)[0].mean(1))


@pytest.mark.parametrize(
    ("model", "free"),
    [
        (tied(), 1),
        (Recurrent("LSTM"), 2),
        (Recurrent("GRU", bidirectional=True), 2),
        (Recurrent("RNN", bias=False), 2),
    ],
)
def test_tied_and_recurrent_layers_lose_channels(model, free):
    graph = channel_graph(model, torch.zeros(1, 3, 8, 8))
    assert len([group for group in graph.groups if not group.fixed]) == free
    assert failing(model) == []


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        # Modes see the attention of PyTorch as one function; with fewer heads it must be one too.
        (lambda: VisionTransformer(16, 8, 2, 4, 32, 64, num_classes=5), [4, 64, 4, 64]),
        # Its attention states the width of the stream and that of all heads in the same words.
        (lambda: SwinTransformer([4, 4], 8, [2], [2], [4, 4], num_classes=5), [2, 32, 2, 32]),
    ],
)
def test_torchvision_s_transformers_lose_heads_and_inner_widths(model, sizes):
    built = model()
    graph = channel_graph(built, torch.zeros(1, 3, 16, 16))
    groups = [group for group in graph.groups if not group.fixed and not group.of_norm]
    assert [group.size for group in groups] == sizes
    assert RemovalCheck(built, (3, 16, 16), graph).failing(groups, halves(groups)) == []


class Remembering(nn.Module):
    """It keeps what its weights gave, and a table that it made in the first pass (timm's LeViT and ConViT)."""

    def __init__(self):
        super().__init__()
        self.a, self.scale, self.fc = nn.Conv2d(3, 4, 1), nn.Parameter(torch.ones(4, 1)), nn.Linear(4, 5)
        self.memory, self.table = {}, None

    def forward(self, x):
        if self.table is None:
            self.table = torch.zeros(1, 1)
        if "scale" not in self.memory:
            self.memory["scale"] = self.scale[:, :, None] * 2
        return self.fc((self.a(x) * self.memory["scale"]).mean((2, 3)) + self.table)


class Named(nn.Module):
    """One module of two names (timm's CoaT)."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)
        self.inner = nn.Sequential(self.b, nn.ReLU())

    def forward(self, x):
        return self.fc(self.inner(self.b(self.a(x))).mean((2, 3)))


class Pieces(nn.Module):
    """It states the width of pieces, not how many there are (timm's selective kernels and CSPNets)."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), nn.Linear(4, 5)

    def forward(self, x):
        first, second = self.a(x).split(4, dim=1)
        third, fourth = torch.split(self.b(x), 4, 1)
        return self.fc((first * second * third * fourth).mean((2, 3)))


class Borrowed(nn.Module):
    """It states the width of one stream for another, of which no channel can go (timm's EVA-02)."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 5)

    def forward(self, x):
        x = self.a(x)
        fixed = self.b(x).mean((2, 3)) + torch.arange(4)
        return self.fc(fixed.relu().view(len(x), 1, x.shape[1]).sum(1))


class Twice(nn.Module):
    """One parameter under two names of one module."""

    def __init__(self):
        super().__init__()
        self.a, self.first = nn.Conv2d(3, 4, 1), nn.Parameter(torch.ones(5, 4))
        self.second = self.first

    def forward(self, x):
        x = self.a(x).relu().mean((2, 3))
        return x @ self.first.T + x @ self.second.T * 2


class Two(nn.Module):
    """Two branches of one width, which ``joined`` flattens with the images or not."""

    def __init__(self, joined):
        super().__init__()
        self.a, self.b, self.joined = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 8, 1), joined
        self.one, self.two = nn.Linear(8, 5), nn.Linear(8, 5)

    def forward(self, x):
        a, b = (self.joined(branch(x).relu()) for branch in (self.a, self.b))
        return self.one(a) + self.two(b)


def shadowed(x):
    return x.reshape(len(x) * 8, -1).mean(1).view(len(x), 8)


def one_by_one(x):
    return torch.stack([one.reshape(8, -1).mean(1) for one in x])


def by_all_numbers(x):
    return x.mean((2, 3)).view(x.numel() // (8 * 64), 8)


def by_whole_eights(x):
    return x.reshape(len(x) * (x.shape[1] // 8) * 8, -1).mean(1).reshape(len(x), -1)


@pytest.mark.parametrize(
    ("joined", "kept"),
    [(shadowed, []), (one_by_one, None), (by_all_numbers, None), (by_whole_eights, ["a", "b"])],
)
def test_sizes_suit_any_number_of_images_or_the_channels_stay(joined, kept):
    """With shares of two sizes, so that calls of one form need different numbers."""
    model = Two(joined)
    graph = channel_graph(model, torch.zeros(1, 3, 8, 8))
    groups = [group for group in graph.groups if not group.fixed]
    removed = {"a": np.arange(2), "b": np.arange(4)}
    check = RemovalCheck(model, (3, 8, 8), graph)
    left = check.failing(groups, removed)
    assert kept is None or [group.name for group in left] == kept
    going = [group for group in groups if group not in left]
    for number in (1, 3, 7):
        images = torch.randn(number, 3, 8, 8)
        small, _, _ = without(model, graph, going, removed, torch.randn(2, 3, 8, 8))
        state_as_built_(small)
        resize_calls_(small, check.sizes)
        assert small(images).shape == (number, 5)


@pytest.mark.parametrize("model", [Remembering, Named, Pieces, Borrowed, Twice])
def test_networks_that_remember_share_and_split(model):
    built = model()
    assert failing(built) == []
    assert not getattr(built, "memory", {})


@pytest.mark.long
@pytest.mark.parametrize("name", ARCHITECTURES.split())
def test_what_the_graph_says_of_published_architectures_is_right(name):
    """Each has code of its own that states sizes, shares modules or remembers tensors."""
    size = timm.get_pretrained_cfg(name).input_size[-1]
    model = timm.create_model(name, num_classes=5)
    graph = channel_graph(model, torch.zeros(1, 3, size, size))
    groups = [group for group in graph.groups if not group.fixed]
    assert groups
    assert RemovalCheck(model, (3, size, size), graph).failing(groups, halves(groups)) == []


def test_initial_zeros_hide_nothing_and_an_outline_will_do():
    """Drawn weights take the place of the network's own."""
    model = Misleading()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert failing(model) == ["first", "second"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    graph = channel_graph(model, torch.zeros(1, 3, 8, 8))
    groups = [group for group in graph.groups if not group.fixed]
    outline = RemovalCheck(emptied(model, "meta"), (3, 8, 8), graph)
    assert [group.name for group in outline.failing(groups, halves(groups))] == ["first", "second"]


class OwnNumbers(nn.Module):
    """It makes numbers of a fixed type, so it does not run in float64."""

    def __init__(self):
        super().__init__()
        self.a, self.fc = nn.Conv2d(3, 4, 1), nn.Linear(4, 5)

    def forward(self, x):
        half = torch.full((3, 3), 0.5, dtype=torch.float32)
        return self.fc(self.a(torch.einsum("bchw,cd->bdhw", x, half)).relu().mean((2, 3)))


def test_a_network_of_single_precision_is_held_to_less():
    for model, tolerance in ((Misleading(), 1e-9), (OwnNumbers(), 1e-3)):
        graph = channel_graph(model, torch.zeros(1, 3, 8, 8))
        check = RemovalCheck(model, (3, 8, 8), graph)
        check.failing([], {})
        assert check.tolerance == tolerance
    assert failing(OwnNumbers()) == []


def test_a_network_that_does_not_run_says_so():
    with pytest.raises(ApcliError, match=r"does not run on random images \(.*\): give --structure weight") as caught:
        RemovalCheck(nn.Linear(7, 2), (3, 8, 8), channel_graph(nn.Linear(7, 2), torch.zeros(1, 7))).failing([], {})
    assert "\n" not in str(caught.value)
