"""What a lineage calls the data, and an image folder that is found again by its name and its files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apcli.data.datasets import load
from apcli.data.recorded import folder_among, recorded_name


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        for name in ("ant", "bee"):
            folder = tmp_path / "here" / "insects" / part / name
            folder.mkdir(parents=True)
            Image.fromarray(np.full((4, 4), len(part), np.uint8)).save(folder / "0.png")
    return tmp_path / "here" / "insects"


def test_the_folder_is_found_by_its_name_and_files(images, tmp_path):
    described = load(f"folder:{images}", tmp_path, size=4, workers=1).description
    places = [tmp_path, tmp_path / "nowhere", tmp_path / "here"]
    assert folder_among(places, described) == f"folder:{images}"
    assert folder_among(places[:2], described) is None
    (tmp_path / "insects").mkdir()
    assert folder_among(places, described) == f"folder:{images}", "a folder of that name with other things in it"
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(images / "train" / "ant" / "0.png")
    assert folder_among(places, described) is None, "the images have changed"


@pytest.mark.parametrize("name", ["folder:../here/insects", "folder:", "folder", "folder:.."])
def test_a_name_that_leads_elsewhere_is_not_followed(images, tmp_path, name):
    described = load(f"folder:{images}", tmp_path, size=4, workers=1).description
    assert folder_among([tmp_path / "here", tmp_path], described | {"name": name}) is None


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("digits", "digits"),
        ("emnist:split=balanced", "emnist"),
        ("emnist:split=letters", "emnist:split=letters"),
        ("folder:some/where/pets/", "folder:pets"),
    ],
)
def test_what_a_lineage_calls_the_data(given, recorded):
    assert recorded_name(given) == recorded
