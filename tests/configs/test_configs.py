"""Every option's range: what is in it passes, what is out of it is named with the option."""

import math

import pytest

from apcli.configs.describe import CostsConfig
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError

BAD = [
    (DataConfig, {"workers": 0}, "--workers"),
    (LoopConfig, {"epochs": -1}, "--epochs"),
    (LoopConfig, {"batch_size": 0}, "--batch-size"),
    (LoopConfig, {"lr": 0.0}, "--lr"),
    (LoopConfig, {"lr": -0.1}, "--lr"),
    (LoopConfig, {"lr": math.inf}, "--lr"),
    (LoopConfig, {"lr": math.nan}, "--lr"),
    (LoopConfig, {"momentum": 1.0}, "--momentum"),
    (LoopConfig, {"momentum": -0.1}, "--momentum"),
    (LoopConfig, {"momentum": math.nan}, "--momentum"),
    (LoopConfig, {"weight_decay": -1e-4}, "--weight-decay"),
    (LoopConfig, {"weight_decay": math.nan}, "--weight-decay"),
    (LoopConfig, {"weight_decay": math.inf}, "--weight-decay"),
    (LoopConfig, {"eval_every": 0}, "--eval-every"),
    (ModelConfig, {"name": "fc5", "num_classes": 0}, "--num-classes"),
    (ModelConfig, {"name": "fc5", "input_size": 0}, "--input-size"),
    (ModelConfig, {"name": "fc5", "std": (1.0, 0.0)}, "--std"),
    (ModelConfig, {"name": "fc5", "std": (math.nan,)}, "--std"),
    (TrainConfig, {"model": ModelConfig("fc5"), "seeds": (0, 0)}, "--seeds"),
    (TrainConfig, {"model": ModelConfig("fc5"), "seeds": (-1,)}, "--seed"),
    (TrainConfig, {"model": ModelConfig("fc5"), "seeds": (2**32,)}, "--seed"),
    (TrainConfig, {"model": ModelConfig("fc5"), "rename": ("a=b",)}, "--rename"),
    (TrainConfig, {"model": ModelConfig("vgg16", pretrained=True), "weights": "w.pt"}, "--pretrained"),
    (PruneConfig, {"sparsity": (1.0,)}, "--sparsity"),
    (PruneConfig, {"sparsity": (0.5, -0.1)}, "--sparsity"),
    (PruneConfig, {"sparsity": (math.nan,)}, "--sparsity"),
    (PruneConfig, {"sparsity": (0.5,), "seeds": (3, 1, 3)}, "--seeds"),
    (FinetuneConfig, {"update": "some"}, "--update"),
    (FinetuneConfig, {"seed": -1}, "--seed"),
    (DivergenceConfig, {"samples": 7}, "--samples"),
    (DivergenceConfig, {"repeats": 0}, "--repeats"),
    (DivergenceConfig, {"groups": -1}, "--groups"),
    (DivergenceConfig, {"level": "layers"}, "--level"),
    (DivergenceConfig, {"split": "val"}, "--split"),
    (DivergenceConfig, {"images": -1}, "--images"),
    (DivergenceConfig, {"batch_size": 0}, "--batch-size"),
    (DivergenceConfig, {"seed": -1}, "--seed"),
    (CostsConfig, {"input_size": ()}, "--input-size"),
    (CostsConfig, {"input_size": (3, 0, 32)}, "--input-size"),
    (CostsConfig, {"latency": True, "batch_size": 0}, "--batch-size"),
    (CostsConfig, {"latency": True, "warmup": -1}, "--warmup"),
    (CostsConfig, {"latency": True, "runs": 1}, "--runs"),
    (CostsConfig, {"runs": 60}, "--runs"),
    (CostsConfig, {"dense": "a"}, "--dense"),
    (CostsConfig, {"device": "cpu"}, "--device"),
    (CostsConfig, {"macs": False, "input_size": (32,)}, "--input-size"),
]


@pytest.mark.parametrize(("config", "options", "flag"), BAD)
def test_out_of_range(config, options, flag):
    with pytest.raises(UsageError, match=f"^{flag} .*expected") as caught:
        config(**options)
    assert "\n" not in str(caught.value)


def test_ends_of_the_ranges():
    assert LoopConfig(epochs=0, batch_size=1, lr=1e-300, momentum=0.0, weight_decay=0.0, eval_every=1).epochs == 0
    assert PruneConfig((0.0, math.nextafter(1, 0)), seeds=(0, 2**32 - 1)).sparsity[0] == 0
    assert TrainConfig(ModelConfig("fc5"), weights="w.pt", rename=("a=b",)).rename == ("a=b",)


def test_defaults_are_those_of_the_paper():
    """arXiv:2403.00155, section 5: SGD, momentum 0.9, batch 128, cosine, 100 epochs, then 20 of fine-tuning."""
    loop = TrainConfig(ModelConfig("resnet50")).loop
    assert (loop.opt, loop.batch_size, loop.sched, loop.epochs, loop.weight_decay) == ("sgd", 128, "cosine", 100, 0.0)
    tuned = FinetuneConfig()
    assert (tuned.loop.epochs, tuned.loop.batch_size, tuned.update, tuned.trace) == (20, 128, "all", "auto")
    assert TrainConfig(ModelConfig("resnet50")).data.name is None


def test_configs_do_not_change():
    with pytest.raises(AttributeError):
        LoopConfig().epochs = 3
