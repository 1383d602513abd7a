"""Budgets of whole channels, against the compact files."""

from functools import partial
from pathlib import Path

import pytest
import torch
from channel_prunings import Branches, generic

from apcli.allocations.units import Resource
from apcli.channels.groups import channel_graph
from apcli.checkpoints.layers import prunable
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.reading import read
from apcli.checkpoints.sizes import counted, sizes
from apcli.checkpoints.state_dicts import entries_of
from apcli.checkpoints.writing import write
from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.probes.costs import macs
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.prune.budgets.of_channels import remaining
from apcli.stages.prune.channel_amounts import candidates_of
from apcli.stages.prune.dry_run import dry_run
from apcli.stages.prune.network import NetworkScores
from apcli.stages.prune.requests import Remaining
from apcli.stages.prune.stage import prune

VIT = ModelSpec("test_vit", "timm", 5, (3, 32, 32), (0.5,) * 3, (0.5,) * 3)
RESNET = ModelSpec("resnet20", "apcli", 5, (3, 32, 32), (0.5,) * 3, (0.5,) * 3)


def saved(folder: Path, spec: ModelSpec) -> Path:
    model = generic(build(spec))
    path = folder / "net.safetensors"
    write(path, entries_of(model.state_dict()), Lineage.EMPTY.then("train", {}, model=spec.to_json()))
    return path


def made(path: Path, **options):
    config = PruneConfig(structure="filter", compact=True, device="cpu", **options)
    networks = NetworkScores(config, Progress())
    files = list(prune(read(path), config, Outputs(), networks))
    return files, networks


@pytest.mark.parametrize("spec", [RESNET, VIT], ids=lambda spec: spec.name)
@pytest.mark.parametrize("scope", ["layer", "global"])
def test_what_remains_is_at_most_what_was_asked_for(tmp_path, spec, scope):
    path = saved(tmp_path, spec)
    files, networks = made(path, budget=(("macs", 0.6), ("macs", 0.8), ("params", 0.7)), scope=scope)
    assert [file.name for file in files] == [
        f"net.l1-{amount}-filter.compact.safetensors" for amount in ("macs0.6", "macs0.8", "params0.7")
    ]
    dense = networks.macs(spec, read(path))
    shares = [networks.macs(spec, read(file)) / dense for file in files[:2]]
    assert 0.55 < shares[0] <= 0.6
    assert (0.65 if spec == VIT else 0.75) < shares[1] <= 0.8  # one of a layer's two heads goes, or none
    parameters = [sizes(counted(x, x.entries), ()).parameters for x in (read(path), read(files[2]))]
    assert 0.65 < parameters[1] / parameters[0] <= 0.7
    where = "filter, macs budget" if scope == "layer" else "filter, global, macs budget"
    assert {(p.scope, p.requested) for p in read(files[0]).lineage.pruned.values()} == {(where, 0.4)}


def test_a_budget_that_cannot_be_reached_says_what_can_and_writes_nothing(tmp_path):
    path = saved(tmp_path, VIT)
    words = r"--budget macs=0.1 cannot be reached: with the fewest channels .* a share of 0\.\d+: choose more, or more"
    with pytest.raises(UsageError, match=words):
        made(path, budget=(("macs", 0.1),))
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_a_dry_run_says_the_channels_of_each_group_or_that_scores_decide(tmp_path):
    path = saved(tmp_path, RESNET)
    for scope in ("layer", "global"):
        config = PruneConfig(structure="filter", budget=(("macs", 0.6),), scope=scope)
        (plan,) = dry_run(read(path), config, Outputs(), NetworkScores(config, Progress()))
        if scope == "layer":
            assert plan.removed == sum(share.least for share in plan.shares) > 0
        else:
            assert plan.removed is None
            assert {(share.least, share.most) for share in plan.shares if share.size == 16} == {(0, 15)}


def test_parameters_need_no_counts(tmp_path):
    model = generic(Branches())
    write(tmp_path / "net.safetensors", entries_of(model.state_dict()), Lineage.EMPTY.then("train", {}))
    source = read(tmp_path / "net.safetensors")
    groups = candidates_of(
        source, channel_graph(model, torch.zeros(1, 3, 16, 16)).groups, prunable(source), None
    ).groups
    fewest = dict.fromkeys((group.name for group in groups), 1)
    found = remaining(source, groups, Remaining(Resource.PARAMETERS, 0.5), partial(pytest.fail, "counts"), fewest)
    assert found.costs.dense == sum(p.numel() for p in model.parameters())
    assert found.left == found.costs.dense / 2
    by_macs = remaining(
        source, groups, Remaining(Resource.MACS, 0.5), lambda: macs(model, torch.zeros(1, 3, 16, 16)), fewest
    )
    assert by_macs.costs.dense == macs(model, torch.zeros(1, 3, 16, 16)).total
