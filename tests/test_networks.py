"""A checkpoint meets data: its outputs keep their classes, whatever the folders of the data are called and hold."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from short_trainings import quiet

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.files.headers import KEY
from apcli.checkpoints.reading import read
from apcli.cli.texts.checkpoint import to_text
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import ApcliError, UsageError
from apcli.models.build import build
from apcli.models.spec import ModelSpec
from apcli.networks import Networks, noise_for, running
from apcli.stages.describe.description import describe
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.train import train

LEVELS = {"Zebra": 20, "ant": 120, "bee": 230}  # what tells the classes apart is how bright they are
NET = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, num_classes))
"""


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


def trained(place: Path, data: Path, target: Path, epochs: int = 20, images: int | None = None, **options: Any) -> Path:
    model = ModelConfig(f"{place / 'net.py'}:net", input_size=4, num_classes=options.pop("num_classes", None))
    loop = LoopConfig(epochs=epochs, batch_size=8, lr=0.1, augment="none", eval_every=20, device="cpu", images=images)
    config = TrainConfig(model, DataConfig(f"folder:{data}", workers=1), loop, **options)
    (path,) = train(config, Outputs(target), quiet)
    return path


@pytest.fixture(scope="module")
def base(place: Path) -> Path:
    path = trained(place, place / "first", place / "made")
    assert accuracy(path) == 100
    assert read(path).lineage.classes == ("Zebra", "ant", "bee")
    return path


def evaluated(place: Path, source: Path, data: Path, target: Path, **options: Any) -> Path:
    loop = LoopConfig(epochs=0, device="cpu", **options)
    config = FinetuneConfig(DataConfig(f"folder:{data}", workers=1), loop, f"{place / 'net.py'}:net", trace="none")
    return Finetuner(config, Outputs(target), quiet).finetune(read(source))


def accuracy(path: Path) -> float:
    return float(read(path).lineage.metrics["test"]["accuracy"])


def test_another_alphabetical_place(place, base, tmp_path, caplog):
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    with caplog.at_level("INFO", "apcli"):
        path = evaluated(place, base, data, tmp_path)
    assert accuracy(path) == 100
    assert read(path).lineage.classes == ("Zebra", "ant", "bee")
    assert "folder:renamed numbers its classes differently from the outputs of" in caplog.text
    assert "lacks" not in caplog.text


def test_a_subset_and_its_like_in_train(place, base, tmp_path, caplog):
    data = write_classes(tmp_path / "some", {"ant": 120, "bee": 230})
    with caplog.at_level("INFO", "apcli"):
        path = evaluated(place, base, data, tmp_path)
    assert "matched by name; it lacks Zebra, so accuracy covers the others" in caplog.text
    assert (accuracy(path), read(path).lineage.classes) == (100, ("Zebra", "ant", "bee"))
    path = trained(place, data, tmp_path / "in", epochs=0, weights=str(base))
    assert (accuracy(path), read(path).lineage.classes) == (100, ("Zebra", "ant", "bee"))
    assert read(path).lineage.model["num_classes"] == 3


@pytest.mark.slow
def test_a_part_of_a_folder_is_known_by_the_folder_s_name_and_other_folders_are_whole(place, tmp_path):
    base = trained(place, place / "first", tmp_path, epochs=0, images=6)
    assert (read(base).lineage.data["images"], read(base).lineage.data["part"]) == ([24, 24], 6)
    again = evaluated(place, base, place / "first", tmp_path / "again")
    assert read(again).lineage.data == read(base).lineage.data
    other = evaluated(place, base, write_classes(tmp_path / "other", LEVELS), tmp_path)
    assert "part" not in read(other).lineage.data


def test_turned_images_stay_turned_until_another_word(place, base, tmp_path):
    """What a network was trained on, its later stages look at, too; other data have no part in it."""
    folder = DataConfig(f"folder:{place / 'first'}", workers=1, exif_orientation=True)
    model = ModelConfig(f"{place / 'net.py'}:net", input_size=4)
    config = TrainConfig(model, folder, LoopConfig(epochs=0, device="cpu"))
    (path,) = train(config, Outputs(tmp_path), quiet)
    assert read(path).lineage.data == {**read(base).lineage.data, "exif_orientation": True}
    with pytest.raises(UsageError, match=r"made with other settings \(data exif_orientation true → not recorded"):
        list(train(replace(config, data=replace(folder, exif_orientation=None)), Outputs(tmp_path), quiet))
    for given, found in ((None, True), (True, True), (False, False)):
        data = DataConfig(f"folder:{place / 'first'}", workers=1, exif_orientation=given)
        networks = Networks(data, model.name, torch.device("cpu"), quiet)
        assert networks.spec_and_data(read(path))[1].exif_orientation == found
    plain = Networks(DataConfig(folder.name, workers=1), model.name, torch.device("cpu"), quiet)
    assert not plain.spec_and_data(read(base))[1].exif_orientation


def test_a_class_without_an_output_is_refused_and_can_be_learnt(place, base, tmp_path, caplog):
    data = write_classes(tmp_path / "more", {"ant": 120, "bee": 230, "okapi": 20})
    words = r"has no output for okapi of folder:more: its classes are Zebra, ant and bee"
    with pytest.raises(UsageError, match=words):
        evaluated(place, base, data, tmp_path)
    with pytest.raises(UsageError, match=words):
        trained(place, data, tmp_path, epochs=0, weights=str(base))
    with caplog.at_level("INFO", "apcli"):
        path = trained(place, data, tmp_path, weights=str(base))
    assert "are trained on other classes: those of folder:more" in caplog.text
    assert (accuracy(path), read(path).lineage.classes) == (100, ("ant", "bee", "okapi"))


@pytest.mark.slow
def test_other_classes_in_another_number_get_a_new_last_layer(place, base, tmp_path, caplog):
    """With names and without: never a dead end. A network that is only evaluated keeps its own."""
    data = write_classes(tmp_path / "two", {"dark": 20, "light": 230})
    for weights in (base, strangers(base, tmp_path)):
        caplog.clear()
        with caplog.at_level("INFO", "apcli"):
            path = trained(place, data, tmp_path / weights.stem, weights=str(weights))
        assert f"{weights} is for 3 classes; the last layer 3 starts fresh, for 2" in caplog.text
        assert (accuracy(path), read(path).lineage.classes) == (100, ("dark", "light"))
        assert load_file(path)["3.weight"].shape == (2, 32)
    with pytest.raises(ApcliError, match="give the model, and --num-classes, that it was made for"):
        trained(place, data, tmp_path / "zero", epochs=0, weights=str(strangers(base, tmp_path)))


def test_files_without_names_are_as_they_were(place, base, tmp_path):
    """Those of an earlier apcli: outputs are the folder's classes in their order, right or wrong."""
    lineage = {key: value for key, value in read(base).lineage.to_json().items() if key != "classes"}
    older = tmp_path / "older.safetensors"
    save_file(load_file(base), older, {"format": "pt", KEY: json.dumps(lineage)})
    assert read(older).lineage.classes == ()
    assert accuracy(evaluated(place, older, place / "first", tmp_path / "a")) == 100
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    path = evaluated(place, older, data, tmp_path / "b")
    assert accuracy(path) < 50
    assert read(path).lineage.classes == ("ant", "bee", "zebra")


@pytest.mark.slow
def test_a_teacher_and_a_dense_file_have_the_same_outputs(place, base, tmp_path):
    data = write_classes(tmp_path / "renamed", {"zebra": 20, "ant": 120, "bee": 230})
    other = trained(place, data, tmp_path / "other")
    assert read(other).lineage.classes == ("ant", "bee", "zebra")
    with pytest.raises(UsageError, match=r"are ant, bee and zebra, those of this network Z"):
        evaluated(place, base, place / "first", tmp_path, teacher=str(other))


def test_a_folder_is_asked_for_only_where_it_is_not_found(place, base, tmp_path, monkeypatch):
    """Its path is not in the file, but its name and the fingerprint of its images are."""
    monkeypatch.chdir(tmp_path)
    model = f"{place / 'net.py'}:net"
    with pytest.raises(UsageError, match=r"trained on folder:first.*nor in --data-dir.*: give --data folder:PATH"):
        Networks(DataConfig(), model, torch.device("cpu"), quiet).spec_and_data(read(base))
    near = Networks(DataConfig(data_dir=str(place), workers=1), model, torch.device("cpu"), quiet)
    _, dataset = near.spec_and_data(read(base))
    assert (dataset.name, dataset.names) == ("folder:first", ("Zebra", "ant", "bee"))
    assert dataset.description == read(base).lineage.data


def strangers(base: Path, folder: Path) -> Path:
    """The same tensors, as another program writes them."""
    save_file(load_file(base), folder / "theirs.safetensors")
    return folder / "theirs.safetensors"


def test_what_a_file_without_lineage_takes_can_be_said(place, base, tmp_path, caplog):
    """A normalisation that was forgotten is wrong and said; given, it is right, and stands in what is made."""
    data = write_classes(tmp_path / "dark", {"Zebra": 20, "ant": 120, "bee": 131})
    theirs, known = strangers(base, tmp_path), read(base).lineage.model
    found = {}
    for name, inputs in {
        "forgotten": InputConfig(input_size=4),
        "given": InputConfig(input_size=4, num_classes=3, mean=tuple(known["mean"]), std=tuple(known["std"])),
    }.items():
        config = FinetuneConfig(
            DataConfig(f"folder:{data}", workers=1),
            LoopConfig(epochs=0, device="cpu"),
            f"{place / 'net.py'}:net",
            trace="none",
            inputs=inputs,
        )
        with caplog.at_level("INFO", "apcli"):
            path = Finetuner(config, Outputs(tmp_path / name), quiet).finetune(read(theirs))
        found[name] = read(path).lineage
    given, forgotten = found["given"].model, found["forgotten"].model
    assert (given["mean"], given["std"]) == (known["mean"], known["std"]) != (forgotten["mean"], forgotten["std"])
    assert found["given"].metrics != found["forgotten"].metrics
    assert "normalised   by mean 0.4867 and std 0.3393" in to_text(describe(read(path)))
    assert "net.py:net takes images of 1x4x4 (by --input-size), normalised by mean" in caplog.text
    assert "(by --mean and --std)" in caplog.text
    assert "(by the data)" in caplog.text


def test_an_option_goes_before_the_file(base, place):
    networks = Networks(DataConfig(), f"{place / 'net.py'}:net", torch.device("cpu"), quiet, InputConfig(mean=(0.25,)))
    assert networks.options.known_spec(read(base)).mean == (0.25,)
    networks = Networks(DataConfig(), None, torch.device("cpu"), quiet, InputConfig(num_classes=7))
    with pytest.raises(UsageError, match=r"--num-classes is 7: .*net-first.safetensors has 3"):
        networks.options.known_spec(read(base))


@pytest.mark.parametrize(
    ("model", "inputs", "kind", "words"),
    [
        (None, {}, UsageError, "does not say which network it is: give --model"),
        ("resnet21", {}, UsageError, "unknown model"),
        ("resnet20", {}, ApcliError, "does not fit the model"),
        ("torchvision:mobilenet_v2", {"mean": (0.1, 0.2)}, UsageError, "--mean has 2 values"),
    ],
)
def test_what_is_wrong_is_told_before_the_data_are_read(base, tmp_path, monkeypatch, model, inputs, kind, words):
    monkeypatch.setattr("apcli.networks.load", lambda *_, **__: pytest.fail("data were read"))
    networks = Networks(DataConfig("cifar10"), model, torch.device("cpu"), quiet, InputConfig(**inputs))
    with pytest.raises(kind, match=words):
        networks.spec_and_data(read(strangers(base, tmp_path)))


def of_no_lineage(folder: Path, classes: int) -> Checkpoint:
    """A resnet20 of so many classes, as another program saves it."""
    spec = ModelSpec("resnet20", "apcli", classes, (3, 32, 32), (0.0,) * 3, (1.0,) * 3)
    torch.save(build(spec).state_dict(), folder / "theirs.pth")
    return read(folder / "theirs.pth")


def networks_of(model: str, data: str | None = None, **inputs: Any) -> Networks:
    return Networks(DataConfig(data), model, torch.device("cpu"), quiet, InputConfig(**inputs))


def test_where_no_image_is_read_the_classes_are_the_files_and_no_data_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("apcli.networks.load", lambda *_, **__: pytest.fail("data were read"))
    source = of_no_lineage(tmp_path, 7)
    spec = networks_of("resnet20").spec_of_weights(source)
    assert (spec.num_classes, spec.input_size) == (7, (3, 32, 32))
    assert networks_of("resnet20", input_size=16).spec_of_weights(source).input_size == (3, 16, 16)
    wrong = networks_of("resnet20", num_classes=8)
    with pytest.raises(ApcliError, match=r"fc\.weight \(7x64 in the file, 8x64 in the model\)"):
        wrong.network(wrong.spec_of_weights(source), source)


@pytest.mark.parametrize("classes", [7, 12])
def test_other_data_than_the_default_is_asked_for_by_name(tmp_path, classes):
    with pytest.raises(UsageError, match=f"theirs.pth has {classes} outputs and digits 10 classes: give its --data"):
        networks_of("resnet20").spec_and_data(of_no_lineage(tmp_path, classes))


def test_more_outputs_than_classes_are_said(tmp_path, caplog):
    spec, dataset = networks_of("resnet20", "digits").spec_and_data(of_no_lineage(tmp_path, 12))
    assert (spec.num_classes, dataset.classes) == (12, 10)
    assert "theirs.pth has 12 outputs and digits 10 classes: these are taken for the first outputs" in caplog.text
    with pytest.raises(UsageError, match="has 7 outputs and digits 10 classes: give other --data"):
        networks_of("resnet20", "digits").spec_and_data(of_no_lineage(tmp_path, 7))


def test_a_users_network_has_the_files_outputs(base, place, tmp_path):
    """Its weights depend on the images: those are looked at, and their classes are not."""
    networks = networks_of(f"{place / 'net.py'}:net", input_size=4)
    assert networks.spec_without_data(read(strangers(base, tmp_path))) is None
    assert networks.spec_of_weights(read(strangers(base, tmp_path))).num_classes == 3


def test_a_known_network_without_its_code_is_told_before_the_data_are_read(base, place, tmp_path, monkeypatch):
    monkeypatch.setattr("apcli.networks.load", lambda *_, **__: pytest.fail("data were read"))
    networks = Networks(DataConfig("cifar10"), None, torch.device("cpu"), quiet)
    with pytest.raises(UsageError, match="whose code is not in the file: give --model"):
        networks.spec_and_data(read(base))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "resnet21"}, "unknown model"),
        ({"weights": "nowhere.pt"}, "no file nowhere.pt"),
        ({"loop": LoopConfig(teacher="dense")}, "--teacher dense"),
        ({"loop": LoopConfig(teacher="nowhere")}, "no file nowhere"),
    ],
)
def test_so_does_train(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("apcli.stages.train.load", lambda *_, **__: pytest.fail("data were read"))
    config = TrainConfig(ModelConfig(options.pop("model", "fc5")), **options)
    with pytest.raises(UsageError, match=words):
        list(train(config, Outputs(tmp_path), quiet))


@pytest.mark.parametrize(
    ("inputs", "size", "mean"),
    [({}, (3, 224, 224), 0.485), ({"input_size": 64, "mean": (0.25,)}, (3, 64, 64), 0.25)],
)
def test_a_librarys_network_without_data_is_as_published(tmp_path, inputs, size, mean):
    save_file({"classifier.1.weight": torch.zeros(7, 512, 1, 1)}, tmp_path / "theirs.safetensors")
    networks = Networks(DataConfig(), "torchvision:squeezenet1_1", torch.device("cpu"), quiet, InputConfig(**inputs))
    spec = networks.spec(read(tmp_path / "theirs.safetensors"))
    assert (spec.num_classes, spec.input_size, spec.mean[0]) == (7, size, mean)


def test_ones_own_network_without_data_is_as_the_options_say(base, place, tmp_path):
    theirs, model = strangers(base, tmp_path), f"{place / 'net.py'}:net"
    assert Networks(DataConfig(), model, torch.device("cpu"), quiet).spec(read(base)).input_size == (1, 4, 4)
    inputs = InputConfig(input_size=4)
    spec = Networks(DataConfig(), model, torch.device("cpu"), quiet, inputs).spec(read(theirs))
    assert (spec.num_classes, spec.input_size) == (3, (1, 4, 4))
    for given, words in ((None, "give --model NAME"), (model, "takes images of many sizes: give --input-size N")):
        with pytest.raises(UsageError, match=words):
            Networks(DataConfig(), given, torch.device("cpu"), quiet).spec(read(theirs))


def test_noise_is_the_same_again_and_a_network_that_fails_is_told(base):
    spec = ModelSpec("net.py:net", "user", 3, (1, 4, 4), (0.5,), (0.25,))
    network = torch.nn.Linear(3, 3, dtype=torch.float64)
    one = noise_for(network, spec, 2)
    assert (one.shape, one.dtype) == ((2, 1, 4, 4), torch.float64)
    assert torch.equal(one, noise_for(network, spec, 2))
    assert not torch.equal(one, noise_for(network, spec, 2, seed=1))
    with pytest.raises(ApcliError, match=r"a.safetensors: its network fails on images of 1x4x4 \(.*\): try"):  # noqa: SIM117
        with running("a.safetensors", spec):
            network(one)
