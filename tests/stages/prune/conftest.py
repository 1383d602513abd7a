"""The sources of prunings."""

from pathlib import Path

import pytest
from prunings import three_layers

from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig
from apcli.progress import Progress
from apcli.stages.outputs import Outputs
from apcli.stages.train import train


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return three_layers(tmp_path / "net.safetensors")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An fc5 for the digits, as it starts."""
    folder = tmp_path_factory.mktemp("digits")
    config = TrainConfig(ModelConfig("fc5"), loop=LoopConfig(epochs=0, device="cpu"))
    (path,) = train(config, Outputs(folder), Progress())
    return path
