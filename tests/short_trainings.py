"""Trainings and fine-tunings of two epochs, on the CPU."""

from pathlib import Path
from typing import Any

from apcli.checkpoints.reading import read
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.progress import Progress
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.train import train

CPU = {"device": "cpu", "batch_size": 300}


quiet = Progress()  # nobody watches


def trained(folder: Path, model: str = "fc5", seed: int = 0, **options: Any) -> Path:
    config = TrainConfig(ModelConfig(model), loop=LoopConfig(**{**CPU, "epochs": 2, **options}), seeds=(seed,))
    (path,) = train(config, Outputs(folder), quiet)
    return path


def tuned(source: Path, folder: Path, update: str = "all", **options: Any) -> Path:
    loop = LoopConfig(**{**CPU, "epochs": 2, **options})
    return Finetuner(FinetuneConfig(loop=loop, update=update), Outputs(folder), quiet).finetune(read(source))
