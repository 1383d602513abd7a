"""A checkpoint meets data: its outputs keep their classes, whatever the folders of the data are called and hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from apcli import lineage as lineages
from apcli.checkpoints import read
from apcli.configs.shared import DataConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError
from apcli.operations.finetune import Finetuner
from apcli.operations.train import train
from apcli.outputs import Outputs

LEVELS = {"Zebra": 20, "ant": 120, "bee": 230}  # what tells the classes apart is how bright they are
NET = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, num_classes))
"""


def quiet(text: str, share: float | None = None) -> None:
    pass


def write_classes(folder: Path, levels: dict[str, int]) -> Path:
    draw = np.random.default_rng(0)
    for part in ("train", "val"):
        for name, level in levels.items():
            (folder / part / name).mkdir(parents=True)
            for number in range(8):
                pixels = (level + draw.integers(-15, 16, (4, 4))).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    (folder / "net.py").write_text(NET)
    write_classes(folder / "first", LEVELS)
    return folder


def trained(place: Path, data: Path, target: Path, epochs: int = 20, **options: Any) -> Path:
    model = ModelConfig(f"{place / 'net.py'}:net", input_size=4, num_classes=options.pop("num_classes", None))
    loop = LoopConfig(epochs=epochs, batch_size=8, lr=0.1, augment="none", eval_every=20, device="cpu")
    config = TrainConfig(model, DataConfig(f"folder:{data}", workers=1), loop, **options)
    (path,) = train(config, Outputs(target), quiet)
    return path


@pytest.fixture(scope="module")
def base(place: Path) -> Path:
    path = trained(place, place / "first", place / "made")
    assert accuracy(path) == 100
    assert read(path).lineage["classes"] == ["Zebra", "ant", "bee"]
    return path


def evaluated(place: Path, source: Path, data: Path, target: Path, **options: Any) -> Path:
    loop = LoopConfig(epochs=0, device="cpu", **options)
    config = FinetuneConfig(DataConfig(f"folder:{data}", workers=1), loop, f"{place / 'net.py'}:net", trace="none")
    return Finetuner(config, Outputs(target), quiet).finetune(read(source))


def accuracy(path: Path) -> float:
    return float(read(path).lineage["metrics"]["test"]["accuracy"])


def test_another_alphabetical_place(place, base, tmp_path, caplog):
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    with caplog.at_level("INFO", "apcli"):
        path = evaluated(place, base, data, tmp_path)
    assert accuracy(path) == 100
    assert read(path).lineage["classes"] == ["Zebra", "ant", "bee"]
    assert "folder:renamed has 3 of the 3 classes that" in caplog.text


def test_a_subset_and_its_like_in_train(place, base, tmp_path):
    data = write_classes(tmp_path / "some", {"ant": 120, "bee": 230})
    path = evaluated(place, base, data, tmp_path)
    assert (accuracy(path), read(path).lineage["classes"]) == (100, ["Zebra", "ant", "bee"])
    path = trained(place, data, tmp_path / "in", epochs=0, weights=str(base))
    assert (accuracy(path), read(path).lineage["classes"]) == (100, ["Zebra", "ant", "bee"])
    assert read(path).lineage["model"]["num_classes"] == 3


def test_a_class_without_an_output_is_refused_and_can_be_learnt(place, base, tmp_path, caplog):
    data = write_classes(tmp_path / "more", {"ant": 120, "bee": 230, "okapi": 20})
    words = r"has no output for okapi of folder:more: it tells Zebra, ant and bee apart"
    with pytest.raises(UsageError, match=words):
        evaluated(place, base, data, tmp_path)
    with pytest.raises(UsageError, match=words):
        trained(place, data, tmp_path, epochs=0, weights=str(base))
    with caplog.at_level("INFO", "apcli"):
        path = trained(place, data, tmp_path, weights=str(base))
    assert "learn other classes: those of folder:more" in caplog.text
    assert (accuracy(path), read(path).lineage["classes"]) == (100, ["ant", "bee", "okapi"])


def test_files_without_names_are_as_they_were(place, base, tmp_path):
    """Those of an earlier apcli: outputs are the folder's classes in their order, right or wrong."""
    lineage = {key: value for key, value in read(base).lineage.items() if key != "classes"}
    older = tmp_path / "older.safetensors"
    save_file(load_file(base), older, {"format": "pt", lineages.KEY: lineages.dump(lineage)})
    assert read(older).lineage["classes"] is None
    assert accuracy(evaluated(place, older, place / "first", tmp_path / "a")) == 100
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    path = evaluated(place, older, data, tmp_path / "b")
    assert accuracy(path) < 50
    assert read(path).lineage["classes"] == ["ant", "bee", "zebra"]


def test_a_teacher_and_a_dense_file_have_the_same_outputs(place, base, tmp_path):
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    other = trained(place, data, tmp_path / "other")
    assert read(other).lineage["classes"] == ["ant", "bee", "zebra"]
    with pytest.raises(
        UsageError, match=r"tells ant, bee and zebra apart, in this order, where the outputs here are Z"
    ):
        evaluated(place, base, place / "first", tmp_path, teacher=str(other))
