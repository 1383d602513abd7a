"""Structured pruning: masked and compact networks compute the same; counts, order and bits are what was asked for."""

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import timm
import torch
import torchvision
from channel_prunings import (
    Branches,
    Misleading,
    chain,
    chain_pruner,
    filter_pruner,
    generic,
    prune,
    pruner_of,
    rows_left,
    saved,
    spec_of,
)
from torch import nn
from torchvision.models import convnext, densenet, resnet, shufflenetv2, swin_transformer, vgg, vision_transformer

from apcli.checkpoints import traces
from apcli.checkpoints.files.kept_channels import expanded
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Promise
from apcli.checkpoints.reading import read
from apcli.checkpoints.state_dicts import tensor_of
from apcli.checkpoints.writing import write
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.shared import DataConfig
from apcli.errors import ApcliError, UsageError, VerificationError
from apcli.models.copies import emptied
from apcli.models.fully_connected import fc5
from apcli.models.resnet_cifar import resnet20
from apcli.networks import Networks
from apcli.progress import Progress
from apcli.stages.divergence.stage import Divergences


def make_vgg():
    features = vgg.make_layers([8, "M", 16, "M"], batch_norm=True)
    classifier = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 5))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(2), nn.Flatten(), classifier)


NETWORKS = {  # builder, input size, the least share of parameters that half of the channels are
    "resnet18": (partial(torchvision.models.resnet18, num_classes=5), 32, 0.7),
    "bottleneck": (partial(resnet.ResNet, resnet.Bottleneck, [1, 2, 1, 1], num_classes=5), 32, 0.7),
    "resnext": (partial(resnet.ResNet, resnet.Bottleneck, [1, 1, 1, 1], 5, groups=4, width_per_group=16), 32, 0.2),
    "vgg_bn": (make_vgg, 16, 0.7),
    "densenet": (partial(densenet.DenseNet, 6, (2, 2), 8, num_classes=5), 32, 0.6),
    "mobilenet_v3": (partial(torchvision.models.mobilenet_v3_small, num_classes=5), 32, 0.7),
    "shufflenet": (partial(shufflenetv2.ShuffleNetV2, [2, 2, 2], [8, 16, 16, 16, 24], num_classes=5), 32, 0.3),
    "convnext": (
        partial(convnext.ConvNeXt, [convnext.CNBlockConfig(8, 16, 2), convnext.CNBlockConfig(16, None, 2)], 0, 1e-6, 5),
        32,
        0.25,
    ),
    "vit": (partial(vision_transformer.VisionTransformer, 32, 8, 2, 2, 16, 32, num_classes=5), 32, 0.1),
    "swin": (partial(swin_transformer.SwinTransformer, [4, 4], 12, [2, 1], [2, 2], [4, 4], num_classes=5), 32, 0.2),
    "timm resnet": (partial(timm.create_model, "test_resnet", num_classes=5), 32, 0.5),
    "timm efficientnet": (partial(timm.create_model, "test_efficientnet", num_classes=5), 32, 0.6),
    "timm vit": (partial(timm.create_model, "test_vit", num_classes=5, img_size=32), 32, 0.2),
    "timm convnext": (partial(timm.create_model, "test_convnext", num_classes=5), 32, 0.3),
    "timm nfnet": (partial(timm.create_model, "test_nfnet", num_classes=5), 32, 0.1),
    "resnet20": (partial(resnet20, 5, (3, 32, 32)), 32, 0.45),
    "fc5": (partial(fc5, 5, (1, 8, 8)), 8, 0.5),
    "user": (Branches, 16, 0.6),
}  # fmt: skip


def loaded(build, entries):
    """A network built anew that takes the tensors strictly, as anyone's loader does."""
    model = build()
    model.load_state_dict({name: tensor_of(entry) for name, entry in entries.items()})
    return model.eval()


def fitted(build, tmp_path, result):
    """The network that a compact file becomes, from its name and the shapes in the file."""
    compact = saved(tmp_path / "compact.safetensors", result.entries, kept=result.kept, sizes=result.sizes)
    networks = Networks(DataConfig(), None, torch.device("cpu"), Progress())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apcli.networks.outline", lambda spec, **options: emptied(build(), "meta"))
        return networks.network(spec_of(8), compact).eval()


def close(one, other, images):
    with torch.no_grad():
        one, other = (model.double()(images.double()) for model in (one, other))
    assert one.abs().max() > 1e-6
    assert (one - other).abs().max() < 1e-10 * one.abs().max()


def weights_in(model):
    return sum(parameter.numel() for parameter in model.parameters())


QUICK = ("vgg_bn", "vit", "user")
WIDE = ("resnet18", "bottleneck", "mobilenet_v3")  # smaller ones have all their kinds of layers and joints


def with_its_time(name):
    marks = () if name in QUICK else pytest.mark.long if name in WIDE else pytest.mark.slow
    return pytest.param(name, marks=marks)


@pytest.mark.slow
@pytest.mark.parametrize("name", [with_its_time(name) for name in NETWORKS])
def test_zeros_and_compact_compute_the_same(tmp_path, name, caplog):
    build, size, share = NETWORKS[name]
    channels = 1 if name == "fc5" else 3
    model = generic(build())
    source = saved(tmp_path / "source.safetensors", model.state_dict())
    pruner = filter_pruner(source, model, spec_of(size, channels), prunable(source))
    zeros, compact = prune(pruner), prune(pruner, compact=True)
    assert "changes what the network computes" not in caplog.text
    masked, small = loaded(build, zeros.entries), fitted(build, tmp_path, compact)
    close(masked, small, torch.randn(2, channels, size, size))
    assert zeros.channels == compact.channels
    assert 0 < zeros.channels[0] <= zeros.channels[1] / 2
    assert 1 - weights_in(small) / weights_in(model) > share
    assert zeros.kept is None
    assert set(zeros.pruned.values()) == {0.5}
    for tensor in zeros.pruned:
        assert zeros.entries[tensor].zeros == int((tensor_of(zeros.entries[tensor]) == 0).sum())
        shape = source.entries[tensor].shape
        whole = expanded(compact.entries[tensor], compact.kept[tensor], shape) if tensor in compact.kept else None
        np.testing.assert_array_equal((whole or compact.entries[tensor]).bits, zeros.entries[tensor].bits)


@pytest.mark.slow
def test_masked_channels_of_a_compact_file_leave_the_sizes_of_its_code(tmp_path):
    build, size, _ = NETWORKS["swin"]
    model = generic(build())
    first = prune(pruner_of(tmp_path, model, size), compact=True)
    assert first.sizes
    compact = saved(tmp_path / "first.safetensors", first.entries, kept=first.kept, sizes=first.sizes)
    small = fitted(build, tmp_path, first)
    again = prune(filter_pruner(compact, small, spec_of(size), prunable(compact)), sparsity=0.3)
    assert again.sizes == first.sizes
    assert fitted(build, tmp_path, again)(torch.randn(2, 3, size, size)).shape == (2, 5)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_what_stays_has_its_bits_and_what_goes_is_plus_zero(tmp_path, dtype):
    model = generic(Branches()).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.view(-1)[::5] = -0.0
    result = prune(pruner_of(tmp_path, model))
    state, gone = model.state_dict(), 0
    for name, entry in result.entries.items():
        tensor, old = tensor_of(entry), state[name]
        assert (tensor.dtype, tensor.shape) == (old.dtype, old.shape)
        same = tensor.view(-1).view(torch.uint8) == old.reshape(-1).view(torch.uint8)
        changed = ~same.view(old.numel(), -1).all(dim=1) if old.numel() else same
        assert not tensor.view(-1)[changed].any()
        assert not tensor.view(-1)[changed].signbit().any()
        gone += int(changed.sum())
        if old.dim() < 2:
            assert not changed.any()
    assert gone > 100


@pytest.fixture(scope="module")
def branches(tmp_path_factory):
    return pruner_of(tmp_path_factory.mktemp("branches"), generic(Branches()))


@pytest.mark.parametrize(
    ("sparsity", "min_keep"), [(0, 1), (0.1, 1), (0.25, 1), (0.5, 7), (0.99, 1), (0.99, 3), (0.3, 99)]
)
def test_every_group_loses_its_share_and_keeps_the_least(branches, sparsity, min_keep):
    result = prune(branches, sparsity=sparsity, min_keep=min_keep, compact=True)
    removed = 0
    for group in branches.groups:
        lost = max(0, min(round(sparsity * group.size), group.size - min_keep))
        for part in group.producers:
            assert len(tensor_of(result.entries[part.tensor])) == model_rows(branches, part.tensor) - lost
        removed += lost
    assert result.channels == (removed, sum(group.size for group in branches.groups))


def model_rows(pruner, tensor):
    return pruner.source.entries[tensor].shape[0]


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory):
    """A network of which one layer's channels all rank lowest."""
    model = generic(Branches())
    with torch.no_grad():
        model.left[0].weight.mul_(1e-3)
    return model, pruner_of(tmp_path_factory.mktemp("lopsided"), model)


@pytest.mark.parametrize("sparsity", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("min_keep", [1, 4])
def test_globally_the_total_is_exact_and_the_excess_goes_to_the_next(lopsided, sparsity, min_keep):
    model, pruner = lopsided
    result = prune(pruner, "l2", sparsity, scope="global", min_keep=min_keep)
    ranked = []
    for number, group in enumerate(pruner.groups):
        makers = [model.state_dict()[part.tensor][part.positions[:, 0]].flatten(1).double() for part in group.producers]
        scores = torch.cat(makers, dim=1).norm(dim=1)
        ranked += [(float(score), number, channel) for channel, score in enumerate(scores)]
    left = {number: group.size for number, group in enumerate(pruner.groups)}
    wanted = min(round(sparsity * len(ranked)), sum(max(0, size - min_keep) for size in left.values()))
    for _, number, _ in sorted(ranked):
        if wanted and left[number] > min_keep:
            left[number], wanted = left[number] - 1, wanted - 1
    for number, group in enumerate(pruner.groups):
        weight = tensor_of(result.entries[group.producers[0].tensor])[group.producers[0].positions[:, 0]]
        assert int(weight.flatten(1).any(1).sum()) == left[number]
    assert result.channels[0] == len(ranked) - sum(left.values())


def test_a_share_that_removes_nothing_is_told(tmp_path, caplog):
    pruner = chain_pruner(tmp_path, chain([1.0, 1.0], [2.0, 0.0], [0.5, 0.0], bias=1.0))
    assert prune(pruner, sparsity=0).channels == (0, 3)
    assert not caplog.records
    assert prune(pruner, sparsity=0.1).channels == (0, 3)
    assert "no channel is removed" in caplog.text


def test_a_fine_tuned_masked_file_becomes_compact_without_further_loss(tmp_path):
    model = generic(Branches())
    zeros = prune(pruner_of(tmp_path, model), sparsity=0.4)
    tuned = loaded(Branches, zeros.entries)
    held = {name: parameter != 0 for name, parameter in tuned.named_parameters() if parameter.dim() > 1}
    with torch.no_grad():
        for name, parameter in tuned.named_parameters():
            parameter.add_(0.1 * torch.randn_like(parameter) * held.get(name, torch.ones(())))
    result = prune(pruner_of(tmp_path, tuned), sparsity=0, compact=True)
    assert result.channels == zeros.channels
    close(tuned, fitted(Branches, tmp_path, result), torch.randn(2, 3, 16, 16))


def test_compact_twice_refers_to_the_dense_tensors(tmp_path):
    model = generic(Branches())
    dense = model.state_dict()
    first = prune(pruner_of(tmp_path, model), "random", 0.3, compact=True)
    small = fitted(Branches, tmp_path, first)
    source = saved(tmp_path / "first.safetensors", first.entries, kept=first.kept)
    again = filter_pruner(source, small, spec_of(16), prunable(source))
    second = prune(again, "random", 0.5, seed=1, compact=True)
    for name, by_dim in second.kept.items():
        whole = tensor_of(expanded(second.entries[name], by_dim, tuple(dense[name].shape)))
        stays = torch.ones_like(whole, dtype=torch.bool)
        for dim, text in by_dim.items():
            index = expanded_index(text, dense[name].shape[int(dim)])
            stays &= index.view([-1 if d == int(dim) else 1 for d in range(whole.dim())])
        assert torch.equal(whole, torch.where(stays, dense[name], torch.zeros(())))
    assert prune(again, sparsity=0.5).kept == first.kept  # zeros in a compact file


def expanded_index(text, size):
    stays = torch.zeros(size, dtype=torch.bool)
    for run in text.split(","):
        first, _, last = run.partition("-")
        stays[int(first) : int(last or first) + 1] = True
    return stays


def test_a_kept_list_that_does_not_fit_is_not_believed(tmp_path):
    pruner = pruner_of(tmp_path, generic(Branches()), kept={"stem.0.weight": {"0": "0-4"}})
    with pytest.raises(VerificationError, match=r"kept channels of stem\.0\.weight are wrong"):
        prune(pruner, compact=True)


def test_what_the_graph_has_wrong_is_found_and_left_whole(tmp_path, caplog):
    model = generic(Misleading())
    pruner = pruner_of(tmp_path, model)
    for compact in (False, True):
        result = prune(pruner, compact=compact)
        assert result.channels == (7, 14)
    assert {name for name in result.kept if name.endswith("weight")} == {"third.weight", "fourth.weight", "fc.weight"}
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "removing channels of first and second changes what the network computes: they are kept" in warnings[0]
    with pytest.raises(UsageError, match="no channel can be removed"):
        prune(pruner_of(tmp_path, model, layers=["first", "second"]))


class Normed(nn.Module):
    """A stream through a LayerNorm and a global response norm; ``first`` adds to it and ``hidden`` does not."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(3, 8), nn.LayerNorm(8)
        self.hidden, self.back, self.fc = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.first(x.flatten(2).mT)
        x = x + self.back(self.hidden(self.norm(x)).relu())
        size = x.norm(dim=1, keepdim=True)
        return self.fc((x * size / size.mean(-1, keepdim=True)).mean(1))


def test_widths_through_norms_go_on_request_and_the_difference_is_said(tmp_path, caplog):
    model = generic(Normed())
    assert [group.name for group in pruner_of(tmp_path, model).groups] == ["hidden"]
    pruner = pruner_of(tmp_path, model, through_norms=True)
    assert [group.name for group in pruner.groups] == ["first", "hidden"]
    zeros, compact = prune(pruner), prune(pruner, compact=True)
    assert "norms take their statistics over fewer channels" in caplog.text
    masked, small = loaded(Normed, zeros.entries).double(), fitted(Normed, tmp_path, compact).double()
    with torch.no_grad():
        expected, found = masked(pruner.check.images), small(pruner.check.images)
    assert small.norm.normalized_shape == (4,)
    difference = float((found - expected).abs().max() / expected.abs().max())
    assert difference > 1e-3
    assert compact.difference == pytest.approx(difference, rel=1e-9)
    assert zeros.difference is None
    assert prune(pruner, sparsity=0, compact=True).difference is None


class OwnNumbers(Branches):
    """It makes numbers of a fixed type, so it does not run in float64."""

    def forward(self, x):
        half = torch.full((x.shape[1], x.shape[1]), 0.5, dtype=torch.float32)
        return super().forward(torch.einsum("bchw,cd->bdhw", x, half))


def test_a_network_that_runs_in_single_precision_alone(tmp_path):
    model = generic(OwnNumbers())
    pruner = pruner_of(tmp_path, model)
    assert len(pruner.groups) == 4
    small = fitted(OwnNumbers, tmp_path, prune(pruner, compact=True))
    assert pruner.check.tolerance == 1e-3
    images = torch.randn(2, 3, 16, 16)
    expected = loaded(OwnNumbers, prune(pruner).entries)(images)
    torch.testing.assert_close(small(images), expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_does_not_run_says_so(tmp_path):
    with pytest.raises(ApcliError, match="cannot be traced") as caught:
        pruner_of(tmp_path, generic(make_vgg()), 1)
    assert "\n" not in str(caught.value)


class OnlyEven(nn.Module):
    """Whether it runs depends on how many channels are left."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, x):
        x = self.a(x).relu()
        if x.shape[1] % 2:
            raise ValueError("odd")
        return self.fc(self.b(x).relu().mean((2, 3)))


@pytest.mark.parametrize(("scope", "sparsity", "removed"), [("layer", 1 / 8, 1), ("global", 3 / 16, 2)])
def test_a_plan_that_fails_is_made_again_without_the_group(tmp_path, scope, sparsity, removed, caplog):
    model = generic(OnlyEven())
    with torch.no_grad():
        model.a.weight.mul_(1e-3)  # all of it ranks lowest
    pruner = pruner_of(tmp_path, model)
    assert [group.name for group in pruner.groups] == ["a", "b"]
    result = prune(pruner, sparsity=sparsity, scope=scope)
    assert "removing channels of a changes what the network computes: they are kept" in caplog.text
    assert result.channels == (removed, 8)
    assert len(rows_left(result, "a.weight")) == 8
    assert len(rows_left(result, "b.weight")) == 8 - removed


def test_what_was_pruned_before_changes_nothing(tmp_path):
    """A group that fails at one sparsity takes part at the next: each file is that of a command of its own."""
    model = generic(OnlyEven())

    def written(pruner, number, sparsity):
        path = tmp_path / f"{number}-{sparsity}.safetensors"
        result = prune(pruner, sparsity=sparsity)
        write(path, result.entries, Lineage.EMPTY.then("prune", {}))
        return path.read_bytes(), result.channels

    one, order = pruner_of(tmp_path, model), (1 / 8, 1 / 4, 3 / 8, 1 / 2)
    together = [written(one, 0, sparsity) for sparsity in order]
    alone = [written(pruner_of(tmp_path, model), 1, sparsity) for sparsity in order]
    assert [channels for _, channels in together] == [(1, 8), (4, 16), (3, 8), (8, 16)]
    assert together == alone


def test_an_outline_is_pruned_as_the_network_is(tmp_path):
    model = generic(Branches())
    source = saved(tmp_path / "source.safetensors", model.state_dict())
    found = [
        prune(filter_pruner(source, network, spec_of(16), prunable(source)), "l2", 0.4)
        for network in (model, emptied(model, "meta"))
    ]
    for name, entry in found[0].entries.items():
        np.testing.assert_array_equal(entry.data, found[1].entries[name].data)


def test_other_numbers_of_classes_are_named_as_ever(tmp_path):
    result = prune(pruner_of(tmp_path, generic(Branches())), compact=True)
    with pytest.raises(ApcliError, match=r"fc\.2\.weight \(5x6 in the file, 7x6 in the model\)"):
        fitted(partial(Branches, 7), tmp_path, result)
    with pytest.raises(ApcliError, match=r"compact\.safetensors does not fit the model: without 0\.0\.weight"):
        fitted(make_vgg, tmp_path, result)


@pytest.mark.parametrize("traced", [False, True])
def test_divergence_of_a_compact_file_is_that_of_the_masked_one(tmp_path, traced):
    model = generic(Branches())
    pruner = pruner_of(tmp_path, model)
    paths = []
    for compact in (False, True):
        result = prune(pruner, sparsity=0.4, compact=compact)
        weights = {name: result.entries[name] for name in result.pruned}
        promises = {n: Promise(entry.zeros, entry.size, "l1", "layer") for n, entry in weights.items()}
        lineage = Lineage.EMPTY.then("finetune", {}, pruned=promises, kept=result.kept or {})
        paths.append(tmp_path / f"{compact}.safetensors")
        write(paths[-1], result.entries, lineage)
        if traced:
            steps = {f"{name}@{epoch}": entry for name, entry in weights.items() for epoch in (0, 2)}
            write(traces.path_beside(paths[-1]), steps, lineage.of_trace())
    dense = read(tmp_path / "source.safetensors")
    config = DivergenceConfig("ap2,gaussian,student-t,student-t:groups=9")
    masked, compact = (list(Divergences(config).records(dense, read(path))) for path in paths)
    assert {record.epoch for record in masked} == ({None, 0, 2} if traced else {None})
    assert len({record.layer for record in masked}) == 7
    assert masked == [replace(record, pruned=masked[0].pruned) for record in compact]
    assert {record.pruned for record in masked}.isdisjoint(record.pruned for record in compact)


def test_a_compact_file_and_a_dense_one_that_do_not_belong_together(tmp_path):
    model = generic(Branches())
    result = prune(pruner_of(tmp_path, model), compact=True)
    kept = {**result.kept, "stem.0.weight": {"0": "0-2,9"}}
    wrong = saved(tmp_path / "wrong.safetensors", result.entries, kept=kept)
    measured = Divergences(DivergenceConfig("ap2")).records(read(tmp_path / "source.safetensors"), wrong)
    with pytest.raises(ApcliError, match=r"wrong\.safetensors: stem\.0: a tensor.s list of .* give the dense file"):
        next(measured)
