"""The stage: its records, and what it refuses."""

import pytest
import torch
from prunings import run
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints.reading import read
from apcli.configs.behaviour import BehaviourConfig
from apcli.errors import ApcliError, UsageError
from apcli.records import lines
from apcli.stages.behaviour.stage import Behaviours


def records(dense, pruned, **options):
    config = BehaviourConfig(**{"device": "cpu", **options})
    return list(Behaviours(config, quiet).records(read(dense), read(pruned)))


def test_a_record_has_the_files_the_pruning_and_both_networks(dense, pruned):
    (found,) = records(dense, pruned)
    assert (found.model, found.data, found.method, found.sparsity.requested) == ("fc5", "digits", "lowest", 0.5)
    assert found.dense.sha256 == read(dense).sha256
    assert found.evaluated == {"data": "digits", "split": "test", "images": 355}
    flips = found.predictions.flips
    assert found.predictions.accuracy.change.value == pytest.approx(100 * (flips.to_right - flips.to_wrong) / 355)
    assert (found.calibration.images, found.calibration.fitted_on) == (284, 71)
    assert found.predictions.loss.dense < found.predictions.loss.pruned
    metrics = read(dense).lineage.metrics["test"]
    assert found.predictions.accuracy.dense == pytest.approx(metrics["accuracy"])
    assert found.predictions.top5.dense == pytest.approx(metrics["top5"])
    assert found.predictions.loss.dense == pytest.approx(metrics["loss"], rel=1e-5)
    assert [layer.layer for layer in found.features.layers] == ["fc4", "fc5"]
    assert list(lines.load([lines.dump(found.to_json())], "f")) == [found]
    assert records(dense, pruned) == [found], "the same again"


def test_a_network_against_itself(dense):
    (found,) = records(dense, dense, validation=0)
    assert found.predictions.agreement.value == 100
    assert (found.predictions.flips.to_wrong, found.predictions.flips.to_right) == (0, 0)
    assert found.calibration.dense == found.calibration.pruned
    assert [layer.cka for layer in found.features.layers] == pytest.approx([1] * 5, abs=1e-12)
    assert all(layer.dense_layers == pytest.approx(layer.pruned_layers) for layer in found.features.layers)
    (without,) = records(dense, dense, feature_images=0)
    assert without.features is None


def test_a_copy_of_less_precision_without_a_lineage(dense, tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.bfloat16() for name, tensor in load_file(dense).items()}, path)
    (found,) = records(dense, path)
    assert (found.model, found.data, found.method) == ("fc5", "digits", None)
    assert 95 < found.predictions.agreement.value <= 100


def test_what_is_refused(dense, pruned, tmp_path):
    with pytest.raises(UsageError, match="give the dense file first"):
        records(pruned, dense)
    state = load_file(dense)
    save_file({**state, "fc5.weight": torch.zeros(3, 4)}, tmp_path / "other.safetensors")
    with pytest.raises(ApcliError, match="layers do not match: fc5"):
        records(dense, tmp_path / "other.safetensors")
    save_file({**state, "fc5.bias": torch.full((10,), torch.inf)}, tmp_path / "endless.safetensors")
    with pytest.raises(ApcliError, match="Inf"):
        records(dense, tmp_path / "endless.safetensors")


def test_files_of_one_sparsity_are_gathered(dense, pruned, tmp_path):
    (other,) = run(dense, 0.5, layers="fc4,fc5", method="random", folder=tmp_path)
    stage = Behaviours(BehaviourConfig(device="cpu", images=60, feature_images=0), quiet)
    for path in (pruned, other, pruned, pruned):
        list(stage.records(read(dense), read(path)))
    assert [record.kind for record in stage.over_all()] == ["exemplars", "overlap"]


def test_shifted_images_have_records_of_their_own(dense, pruned, tmp_path):
    options = {"shift": "noise:severity=1..2,blur:severity=5", "images": 60, "predictions": str(tmp_path)}
    first, *others = records(dense, pruned, **options)
    assert [(r.shift, r.severity) for r in others] == [("noise", 1), ("noise", 2), ("blur", 5)]
    assert (first.shift, first.severity) == (None, None)
    assert [r.features is None for r in (first, *others)] == [False, True, True, True]
    assert all(r.calibration.pruned.temperature == first.calibration.pruned.temperature for r in others)
    assert others[2].predictions.loss.dense != first.predictions.loss.dense
    tensors = load_file(next(tmp_path.iterdir()))
    right = (tensors["blur-5.pruned.predictions"] == tensors["label"]).double().mean().item()
    assert others[2].predictions.accuracy.pruned == pytest.approx(100 * right)
