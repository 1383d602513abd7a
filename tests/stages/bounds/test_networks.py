"""What the networks of a pair compute on the images, against PyTorch's own functions."""

import numpy as np
import pytest
import torch
from measured_pairs import measured
from safetensors.numpy import load_file, save_file

from apcli.checkpoints.layers import select
from apcli.checkpoints.reading import read
from apcli.configs.shared import DataConfig
from apcli.errors import ApcliError
from apcli.stages.bounds.files import Files
from apcli.stages.bounds.networks import NetworkPair


def test_networks_and_images_of_a_pair(dense, pruned):
    on_data = measured(dense, pruned, images=100, batch_size=32).on_data
    assert on_data.evaluated == {"data": "digits", "split": "test", "images": 100, "seed": 0}
    assert sum(len(labels) for _, labels in on_data.batches()) == len(on_data.dense_outputs.labels) == 100
    images = torch.cat([images for images, _ in on_data.batches()])
    with torch.no_grad():
        assert on_data.dense_outputs.logits == pytest.approx(on_data.dense(images).double().numpy(), abs=1e-5)
        assert on_data.pruned_outputs.logits == pytest.approx(on_data.pruned(images).double().numpy(), abs=1e-5)
    assert on_data.dense_outputs.loss < on_data.pruned_outputs.loss
    assert not on_data.dense.training
    assert on_data.other_differences == ()


def test_tensors_that_differ_beside_the_compared_layers_are_named(dense, pruned):
    assert measured(dense, pruned, layers="fc5").on_data.other_differences == ("fc4.weight",)


def test_tensors_are_compared_whatever_their_type(tmp_path):
    """A batch norm counts its batches in a whole number; half precision holds some numbers exactly."""
    before = {"fc.weight": np.eye(3, dtype=np.float32), "bn.mean": np.ones(3, np.float32), "bn.count": np.array(7)}
    after = {**before, "bn.mean": np.ones(3, np.float16)}
    save_file(before, tmp_path / "a.safetensors")
    for name, changed in (
        ("b", {}),
        ("c", {"bn.count": np.array(8)}),
        ("d", {"bn.mean": np.full(3, 1.5)}),
        ("e", {"more": np.ones(2)}),
    ):
        save_file({**after, **changed}, tmp_path / f"{name}.safetensors")
        compared = select(read(tmp_path / "a.safetensors"), "fc", None)
        files = Files(*(read(tmp_path / f"{one}.safetensors") for one in ("a", name)), tuple(compared))
        pair = object.__new__(NetworkPair)
        pair.files = files
        assert pair.other_differences == tuple(changed), name


def test_a_dense_network_runs_once_for_several_pruned_ones(dense, pruned, monkeypatch):
    first = measured(dense, pruned, images=20)
    second = measured(dense, dense, images=20)
    second._networks = first._networks
    assert second.on_data.dense_outputs is first.on_data.dense_outputs


def test_a_bias_that_is_no_number_is_named(dense, tmp_path):
    arrays = {**load_file(dense), "fc1.bias": np.full(load_file(dense)["fc1.bias"].shape, np.inf, np.float32)}
    save_file(arrays, tmp_path / "inf.safetensors")
    pair = measured(dense, tmp_path / "inf.safetensors", model="fc5", data=DataConfig("digits")).on_data
    with pytest.raises(ApcliError, match=r"inf\.safetensors: tensor fc1\.bias holds \d+ NaN or Inf values"):
        _ = pair.pruned
