"""Names of trained networks: short, and never one name for two."""

from pathlib import Path

import pytest

from apcli.configs.shared import DataConfig
from apcli.configs.training import ModelConfig, TrainConfig
from apcli.errors import UsageError
from apcli.stages.trained_names import train_stems


def stems(model: str, data: str | None = None, seeds: tuple[int, ...] = (0,)) -> list[str]:
    config = TrainConfig(ModelConfig(model), DataConfig(data), seeds=seeds)
    return [stem for _, by_seed in train_stems(config) for stem in by_seed.values()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for folder in ("one", "two"):
        (tmp_path / folder / "photos").mkdir(parents=True)
        (tmp_path / folder / "nets.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("model", "data", "names"),
    [
        ("resnet20", None, ["resnet20-digits"]),
        ("torchvision:resnet18", "cifar10", ["resnet18-cifar10"]),
        ("resnet18,timm:resnet18", None, ["resnet18-digits", "timm-resnet18-digits"]),
        ("torchvision:resnet18,timm:resnet18", None, ["torchvision-resnet18-digits", "timm-resnet18-digits"]),
        ("one/nets.py:a", None, ["nets-digits"]),
        ("one/nets.py:a,one/nets.py:b,fc5", None, ["nets-a-digits", "nets-b-digits", "fc5-digits"]),
        ("one/nets.py:a,two/nets.py:a", None, ["one-nets-a-digits", "two-nets-a-digits"]),
        ("one/nets.py:a,two/nets.py:b", None, ["nets-a-digits", "nets-b-digits"]),
        ("fc5", "emnist:split=letters", ["fc5-emnist-split=letters"]),
        ("fc5", "folder:one/photos", ["fc5-photos"]),
        ("fc5", "folder:one/photos,folder:two/photos,digits", ["fc5-one-photos", "fc5-two-photos", "fc5-digits"]),
    ],
)
def test_what_is_run_together_has_names_of_its_own(place, model, data, names):
    assert stems(model, data) == names


def test_several_seeds_are_named(place):
    assert stems("one/nets.py:a,one/nets.py:b", seeds=(3, 4)) == [
        f"nets-{function}-digits.seed{seed}" for function in "ab" for seed in (3, 4)
    ]


def test_what_is_not_there_is_told(place):
    with pytest.raises(UsageError, match="no such file"):
        stems("three/nets.py:a")
    with pytest.raises(UsageError, match="unknown data set"):
        stems("fc5", "digit")
