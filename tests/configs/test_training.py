"""Options of `train` and `finetune`: their ranges, and their defaults."""

import math

import pytest

from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError


@pytest.mark.parametrize(
    ("config", "options", "flag"),
    [
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
        (FinetuneConfig, {"update": "some"}, "--update"),
        (FinetuneConfig, {"seeds": (-1,)}, "--seed"),
        (LoopConfig, {"decay": "none"}, "--decay"),
        (LoopConfig, {"patience": 0}, "--patience"),
        (LoopConfig, {"ema": 1.0}, "--ema"),
        (LoopConfig, {"validation": 1.0}, "--validation"),
        (LoopConfig, {"images": -1}, "--images"),
        (LoopConfig, {"accumulate": 0}, "--accumulate"),
        (LoopConfig, {"layer_decay": 0.0}, "--layer-decay"),
        (LoopConfig, {"layer_decay": 1.1}, "--layer-decay"),
        (LoopConfig, {"l1": -1e-5}, "--l1"),
        (LoopConfig, {"l1": math.nan}, "--l1"),
        (LoopConfig, {"l1": 1e-5, "l1_form": "lasso"}, "--l1-form"),
        (LoopConfig, {"l1_form": "subgradient"}, "--l1-form"),
        (LoopConfig, {"drop_path": 1.0}, "--drop-path"),
        (LoopConfig, {"drop_path": -0.1}, "--drop-path"),
        (LoopConfig, {"min_lr": -0.1}, "--min-lr"),
        (LoopConfig, {"min_lr": math.inf}, "--min-lr"),
        (LoopConfig, {"split": "validation"}, "--split"),
        (LoopConfig, {"split": "test,test"}, "--split"),
        (LoopConfig, {"split": ""}, "--split"),
        (LoopConfig, {"split": "test", "patience": 2}, "--split"),
        (LoopConfig, {"keep": "first"}, "--keep"),
        (LoopConfig, {"keep": "best"}, "--keep"),
        (FinetuneConfig, {"sparsity": 0.5, "loop": LoopConfig(keep="best", validation=0.2)}, "--keep"),
        (LoopConfig, {"label_smoothing": 1.0}, "--label-smoothing"),
        (LoopConfig, {"distill": 1.5, "teacher": "a"}, "--distill"),
        (LoopConfig, {"temperature": 2.0}, "--temperature"),
        (LoopConfig, {"clip_grad": 0.0}, "--clip-grad"),
        (LoopConfig, {"mixup": -1.0}, "--mixup"),
        (LoopConfig, {"checkpoint_every": math.inf}, "--checkpoint-every"),
        (FinetuneConfig, {"schedule": "cubic"}, "--schedule"),
        (FinetuneConfig, {"sparsity": 1.0}, "--sparsity"),
        (FinetuneConfig, {"sparsity": 0.5, "scope": "erk"}, "--scope"),
        (FinetuneConfig, {"sparsity": 0.5, "update": "pruned"}, "--update"),
        (FinetuneConfig, {"sparsity": 0.5, "loop": LoopConfig(epochs=0)}, "--epochs"),
        (FinetuneConfig, {"sparsity": 0.5, "loop": LoopConfig(patience=2)}, "--patience"),
    ],
)
def test_out_of_range(refuses, config, options, flag):
    refuses(config, options, flag)


def test_ends_of_the_ranges():
    assert LoopConfig(epochs=0, batch_size=1, lr=1e-300, momentum=0.0, weight_decay=0.0, eval_every=1).epochs == 0
    assert TrainConfig(ModelConfig("fc5"), weights="w.pt", rename=("a=b",)).rename == ("a=b",)
    assert FinetuneConfig(sparsity=0.0, schedule="cubic", scope="global").sparsity == 0


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


def test_models_and_data_sets_multiply(tmp_path):
    def each(model, data, **more):
        config = TrainConfig(ModelConfig(model), DataConfig(data), **more)
        return [(one.model.name, one.data.name) for one in config.each]

    assert each("fc5", None) == [("fc5", None)]
    assert each("fc5,timm:resnet18", "digits,cifar10") == [
        ("fc5", "digits"), ("fc5", "cifar10"), ("timm:resnet18", "digits"), ("timm:resnet18", "cifar10")
    ]  # fmt: skip
    (tmp_path / "a,b").mkdir()
    (tmp_path / "a,b" / "net.py").write_text("")
    own, folder = f"{tmp_path}/a,b/net.py:net", f"folder:{tmp_path}/a,b"
    assert each(own, folder) == [(own, folder)]
    for model, more, words in (
        ("fc5,", {}, "empty model"),
        ("fc5,fc5", {}, "model is fc5,fc5: expected each once"),
        ("fc5,fc12", {"weights": "w.pt"}, "--weights is w.pt: expected to be used with one model"),
    ):
        with pytest.raises(UsageError, match=words):
            each(model, None, **more)
