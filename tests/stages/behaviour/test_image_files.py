"""The file of each image's numbers: its tensors, and what it does not replace."""

import json

import numpy as np
import pytest
import torch
from behaviours import outcome
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from apcli.checkpoints.reading import read
from apcli.errors import UsageError
from apcli.stages.behaviour.image_files import KEY, ImageFiles
from apcli.stages.behaviour.networks import Images

IMAGES = Images({"images": 4}, None, torch.tensor([2, 0, 1, 3]), 2, ())


def pair(folder, name="b"):
    for file, value in (("a", 1), (name, 2)):
        save_file({"fc.weight": np.full((2, 2), value, np.float32)}, folder / f"{file}.safetensors")
    return tuple(read(folder / f"{file}.safetensors") for file in ("a", name))


def test_images_are_in_the_order_of_the_split(tmp_path):
    files, (dense, pruned) = ImageFiles(tmp_path / "out", False), pair(tmp_path)
    path = files.place(dense, pruned)
    assert path == tmp_path / "out" / "b.behaviour.safetensors"
    seen = {"dense": outcome([5, 6, 7, 8], [5, 6, 7, 0], [2, 0, 1, 3]), "pruned": outcome([5, 6, 7, 8], [1, 2, 3, 4])}
    files.write(path, (dense, pruned), IMAGES, seen)
    found = load_file(path)
    assert found["label"].tolist() == [6, 7, 5, 8]
    assert found["in_validation"].tolist() == [True, False, True, False]
    assert found["dense.losses"].tolist() == [0, 1, 2, 3]
    assert found["pruned.predictions"].tolist() == [2, 3, 1, 4]
    assert found["pruned.confidences"].dtype == np.float64
    with safe_open(path, "numpy") as file:
        said = json.loads(file.metadata()[KEY])
    assert said == {"dense": dense.sha256, "pruned": pruned.sha256, "evaluated": {"images": 4}}
    before = path.read_bytes()
    again = ImageFiles(tmp_path / "out", False)
    again.write(again.place(dense, pruned), (dense, pruned), IMAGES, seen)
    assert path.read_bytes() == before


def test_other_files_are_left_alone(tmp_path):
    dense, pruned = pair(tmp_path)
    files = ImageFiles(tmp_path, False)
    path = files.place(dense, pruned)
    with pytest.raises(UsageError, match="written twice"):
        files.place(dense, pruned)
    for content in (b"", b"text"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="is of other files: --overwrite"):
            ImageFiles(tmp_path, False).place(dense, pruned)
        assert path.read_bytes() == content
    save_file({"a": np.zeros(1)}, path, {KEY: json.dumps({"dense": "0", "pruned": "1"})})
    with pytest.raises(UsageError, match="--overwrite"):
        ImageFiles(tmp_path, False).place(dense, pruned)
    assert ImageFiles(tmp_path, True).place(dense, pruned) == path
