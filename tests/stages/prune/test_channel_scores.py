"""Scores of channels: by the weights of all that makes them, by gradients, and of channels that nobody reads."""

import copy

import pytest
import torch
from channel_prunings import Branches, chain, chain_pruner, generic, prune, pruner_of, rows_left
from torch import nn
from torch.nn import functional as F

from apcli.checkpoints.state_dicts import tensor_of
from apcli.errors import ApcliError, UsageError


def test_equal_scores_go_by_index(tmp_path):
    model = chain(*[[1.0, -1.0], [-1.0, 1.0], [3.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    pruner = chain_pruner(tmp_path, model)
    assert rows_left(prune(pruner, "l1", 0.2), "1.weight") == [1, 2, 3, 4]
    assert rows_left(prune(pruner, "l1", 0.6), "1.weight") == [2, 4]
    assert rows_left(prune(pruner, "l2", 0.4), "1.weight") == [2, 3, 4]
    assert rows_left(prune(pruner, "highest", 0.4), "1.weight") == [1, 3, 4]


def test_channels_of_several_layers_are_judged_by_all_that_makes_them(tmp_path):
    model = generic(Branches())
    result = prune(pruner_of(tmp_path, model), "l1", 0.25)
    state = {name: tensor.double() for name, tensor in model.state_dict().items()}
    makers = ["stem.0.weight", "mix.weight"]
    scores = sum(state[name].abs().sum((1, 2, 3)) for name in makers)
    assert scores.argsort().tolist() != state["stem.0.weight"].abs().sum((1, 2, 3)).argsort().tolist()
    expected = sorted(scores.argsort(stable=True)[2:].tolist())
    for name in makers:
        assert rows_left(result, name) == expected
    for reader in ("left.0.weight", "right.0.weight"):
        weight = tensor_of(result.entries[reader])
        assert [c for c in range(8) if weight[:, c].any()] == expected


def test_channels_without_a_reader_go_first_and_in_any_case(tmp_path, caplog):
    model = chain(*[[float(c), 1.0] for c in range(6)], bias=1.0)
    with torch.no_grad():
        model[3].weight[:, [4, 5]] = 0.0
        model[3].weight[0, 5] = -0.0
    pruner = chain_pruner(tmp_path, model)
    result = prune(pruner, sparsity=0, compact=True)
    assert result.kept == {"1.weight": {"0": "0-3"}, "1.bias": {"0": "0-3"}, "3.weight": {"1": "0-3"}}
    assert result.channels == (2, 6)
    assert not caplog.records  # 0 asks for just that
    assert rows_left(prune(pruner, sparsity=0.5), "1.weight") == [1, 2, 3]
    assert rows_left(prune(pruner, sparsity=0, scope="global"), "1.weight") == [0, 1, 2, 3]
    assert rows_left(prune(pruner, "random", 0.5), "1.weight") != []
    assert not caplog.records
    prune(pruner, sparsity=0.2)
    assert "removed 2 channels, more than the requested 1: no layer reads the extra ones" in caplog.text


def test_a_channel_without_rows_is_still_read(tmp_path):
    """Its bias reaches the next layer: it goes first, but not without being asked for."""
    model = chain([1.0, 1.0], [0.0, 0.0], [0.5, 0.0], bias=1.0)
    pruner = chain_pruner(tmp_path, model)
    assert prune(pruner, sparsity=0, compact=True).kept is None
    assert rows_left(prune(pruner, "highest", 0.34), "1.weight") == [0, 2]
    assert not tensor_of(prune(pruner, "highest", 0.34).entries["3.weight"])[:, 1].any()


def test_at_least_one_channel_stays_where_none_is_read(tmp_path):
    model = chain(*[[1.0, 1.0]] * 3)
    nn.init.zeros_(model[3].weight)
    for scope in ("layer", "global"):
        result = prune(chain_pruner(tmp_path, model), sparsity=0, scope=scope, compact=True)
        assert tensor_of(result.entries["1.weight"]).shape == (1, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_taylor_is_the_mean_of_squared_sums_over_batches(tmp_path, dtype):
    model = generic(Branches()).to(dtype).train()
    torch.manual_seed(1)
    data = [(torch.randn(4, 3, 16, 16).to(dtype), torch.randint(5, (4,))) for _ in range(3)]
    pruner = pruner_of(tmp_path, model, batches=lambda: iter(data))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = prune(pruner, "taylor", 0.5)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    oracle = copy.deepcopy(model).double().eval()
    total = torch.zeros(8, dtype=torch.float64)
    for images, labels in data:
        oracle.zero_grad()
        F.cross_entropy(oracle(images.double()), labels).backward()
        makers = (oracle.stem[0].weight, oracle.mix.weight)
        total += sum((weight * weight.grad).detach().sum((1, 2, 3)) for weight in makers).square() / 3
    assert rows_left(result, "mix.weight") == sorted(total.argsort()[4:].tolist())


def test_taylor_without_data_and_with_infinite_gradients(tmp_path):
    with pytest.raises(UsageError, match="give --data"):
        prune(pruner_of(tmp_path, generic(Branches())), "taylor")
    data = [(torch.full((2, 3, 16, 16), torch.inf), torch.tensor([0, 1]))]
    with pytest.raises(ApcliError, match="NaN or Inf"):
        prune(pruner_of(tmp_path, generic(Branches()), batches=lambda: iter(data)), "taylor")


def test_the_scale_of_the_batch_norm_decides(tmp_path):
    model = generic(Branches())
    result = prune(pruner_of(tmp_path, model, layers=["left.0"]), "bn-scale", 0.5)
    assert rows_left(result, "left.0.weight") == sorted(model.left[1].weight.abs().argsort()[3:].tolist())
    with pytest.raises(UsageError, match=r"no batch norm reads the channels of right\.0"):
        prune(pruner_of(tmp_path, model, layers=["right.0"]), "bn-scale", 0.5)


def test_draws_depend_on_the_seed_and_the_group_alone(tmp_path):
    model = generic(Branches())
    every, one = pruner_of(tmp_path, model), pruner_of(tmp_path, model, layers=["fc.0"])
    left = [
        rows_left(prune(pruner, "random", 0.5, seed=seed), "fc.0.weight") for pruner in (every, one) for seed in (3, 4)
    ]
    assert left[0] == left[2] != left[1] == left[3]
