"""Which groups of channels take part, and how many channels of each go."""

from typing import Any

import pytest
import torch
from channel_prunings import Branches, generic, saved
from torch import nn

from apcli.channels.groups import channel_graph
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import prunable
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.stages.prune.amounts import Amounts
from apcli.stages.prune.channel_amounts import Candidates, amounts_of_channels, candidates_of
from apcli.stages.prune.requests import requests_of

GROUPS = {"stem.0": 8, "left.0": 6, "right.0": 4, "fc.0": 12}  # of the stem's, mix makes every channel too


@pytest.fixture(scope="module")
def branches(tmp_path_factory) -> tuple[Checkpoint, tuple]:
    model = generic(Branches())
    source = saved(tmp_path_factory.mktemp("branches") / "source.safetensors", model.state_dict())
    return source, tuple(channel_graph(model, torch.zeros(1, 3, 16, 16)).groups)


def chosen(branches: Any, *layers: str, exclude: str | None = None) -> Candidates:
    source, groups = branches
    return candidates_of(source, groups, [x for x in prunable(source) if not layers or x.name in layers], exclude)


def amounts(branches: Any, candidates: Candidates, *sparsity: float, **options: Any) -> Amounts:
    config = PruneConfig(sparsity, structure="filter", **options)
    (request,) = requests_of(config, 0)
    return amounts_of_channels(branches[0], candidates, request.amount, config)


def names(candidates: Candidates) -> list[str]:
    return [group.name for group in candidates.groups]


def test_layers_and_exclude_choose_groups(branches):
    assert {group.name: group.size for group in chosen(branches).groups} == GROUPS
    assert names(chosen(branches, "left.0")) == ["left.0"]
    assert names(chosen(branches, "mix")) == ["stem.0"]  # a layer takes along the other that makes its channels
    assert names(chosen(branches, "mix", "fc.0", exclude="stem.0")) == ["fc.0"]
    with pytest.raises(UsageError, match=r"stem\.0: a layer of --exclude makes them"):
        chosen(branches, "mix", exclude="stem.0")


def test_without_a_channel_to_remove_the_reasons_are_given(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(1, 4), nn.Flatten(), nn.Linear(16, 5))
    found = (
        saved(tmp_path / "source.safetensors", model.state_dict()),
        channel_graph(model, torch.zeros(1, 3, 2, 2)).groups,
    )
    with pytest.raises(UsageError) as caught:
        chosen(found)
    assert "3: they are the network's output" in str(caught.value)
    assert "0: " in str(caught.value)
    assert "statistics" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_named_group_loses_its_own_share(branches):
    named = (("left.0", 1 / 3), ("mix", 0.25), ("fc.0", 0.0))
    found = amounts(branches, chosen(branches), 0.5, layer_sparsity=named)
    assert found.asked == {"stem.0": 0.25, "left.0": 1 / 3, "right.0": 0.5, "fc.0": 0.0}
    assert found.known == {"stem.0": 2, "left.0": 2, "right.0": 2, "fc.0": 0}
    alone = amounts(branches, chosen(branches), layer_sparsity=(("left.0", 1 / 3), ("left.0", 0.5)))
    assert (alone.known, alone.asked) == ({"left.0": 3}, {"left.0": 0.5})


def test_shares_that_cannot_be_are_refused_in_a_line(branches):
    candidates = chosen(branches, "stem.0", "mix", "fc.0", "fc.2")
    for pairs, said in [
        ([("stem.0", 0.5), ("mix", 0.25)], r"make the same channels \(stem\.0 0\.5 and mix 0\.25\): give them one"),
        ([("fc.2", 0.5)], r"fc\.2=0\.5: no channel .* can be removed \(they are the network's output\)"),
        ([("left.0", 0.5)], r"left\.0=0\.5: no channel .* can be removed: --layers leaves them out"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            amounts(branches, candidates, layer_sparsity=tuple(pairs))
        assert "\n" not in str(caught.value)
    assert amounts(branches, candidates, layer_sparsity=(("stem.0", 0.5), ("mix", 0.5))).known == {"stem.0": 4}


@pytest.mark.parametrize(
    ("sparsity", "least", "gone"),
    [(0.9, 0.3, [5, 4, 2, 8]), (0.99, 1, [7, 5, 3, 11]), (0.99, 0, [7, 5, 3, 11]), (0.5, 7, [1, 0, 0, 5])],
)
def test_a_least_number_or_share_of_channels_stays_and_one_in_any_case(branches, sparsity, least, gone):
    found = amounts(branches, chosen(branches), sparsity, min_keep=least)
    assert found.known == dict(zip(GROUPS, gone, strict=True))


def test_globally_the_scores_decide_within_bounds(branches):
    found = amounts(branches, chosen(branches), 0.5, scope="global", min_keep=2)
    assert found.need_scores
    assert found.removed == 15
    assert found.bounds() == {"stem.0": (0, 6), "left.0": (0, 4), "right.0": (0, 2), "fc.0": (3, 10)}
