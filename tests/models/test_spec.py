"""A name becomes a spec; a spec survives JSON; junk in a file is refused."""

import json
import subprocess
import sys

import pytest

from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec, default_lr, resolve

GREY = ImageSpec((1, 28, 28), 10, (0.13,), (0.3,))
COLOUR = ImageSpec((3, 32, 32), 10, (0.49, 0.48, 0.45), (0.25, 0.24, 0.26))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_own_resnet_takes_the_datas_size_and_repeats_grey_to_three_channels():
    assert resolve("resnet20", GREY) == ModelSpec("resnet20", "apcli", 10, (3, 28, 28), (0.13,) * 3, (0.3,) * 3)


def test_fully_connected_takes_the_data_as_it_is():
    assert resolve("fc5", GREY) == ModelSpec("fc5", "apcli", 10, (1, 28, 28), (0.13,), (0.3,))


@pytest.mark.parametrize(
    ("name", "source", "plain", "size"),
    [
        ("resnet18", "torchvision", "resnet18", 224),
        ("inception_v3", "torchvision", "inception_v3", 299),
        ("torchvision:resnet18", "torchvision", "resnet18", 224),
        ("timm:resnet18", "timm", "resnet18", 224),
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", 224),
        ("test_resnet", "timm", "test_resnet", 160),
        ("apcli:resnet20", "apcli", "resnet20", 32),
    ],
)
def test_sources_their_order_and_their_own_sizes(name, source, plain, size):
    spec = resolve(name, COLOUR)
    assert (spec.source, spec.name, spec.input_size) == (source, plain, (3, size, size))
    assert (spec.mean, spec.std) == (COLOUR.mean, COLOUR.std)


def test_pretrained_takes_the_published_normalisation():
    spec = resolve("resnet18", GREY, pretrained=True)
    assert (spec.mean, spec.std) == IMAGENET
    assert resolve("timm:vit_tiny_patch16_224", GREY, pretrained=True).mean == (0.5, 0.5, 0.5)


def test_options_override_size_classes_and_normalisation():
    inputs = InputConfig(input_size=64, num_classes=12, mean=(0.5,), std=(1, 2, 3))
    spec = resolve("resnet18", COLOUR, inputs, pretrained=True)
    assert (spec.input_size, spec.num_classes) == ((3, 64, 64), 12)
    assert (spec.mean, spec.std) == ((0.5,) * 3, (1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet21", ["'resnet21'", "resnet20", "torchvision:resnet", "timm:resnet", ".py:function"]),
        ("ResNet50", ["torchvision:resnet50", "timm:resnet50"]),
        ("torchvision:resnet20", ["torchvision:resnet"]),
        ("timm:hf-hub:someone/something", ["hf-hub"]),
        ("hf-hub:someone/something", ["unknown model"]),
        ("timm:resnet18.no_such_tag", ["no_such_tag"]),
        ("", ["fc5"]),
        ("model.py", [".py:function"]),
        ("no/such/file.py:build", ["no such file"]),
    ],
)
def test_unknown_names_say_what_is_close(name, words):
    with pytest.raises(UsageError) as caught:
        resolve(name, COLOUR)
    message = str(caught.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet20", {"num_classes": 9}, "--num-classes is 9"),
        ("alexnet", {"input_size": 32}, "63 x 63"),
        ("resnet20", {"mean": (0.1, 0.2)}, "--mean has 2 values"),
    ],
)
def test_options_that_do_not_fit(name, options, words):
    with pytest.raises(UsageError, match=words):
        resolve(name, COLOUR, InputConfig(**options))


def test_our_own_models_have_no_published_weights():
    with pytest.raises(UsageError, match="--weights"):
        resolve("resnet20", COLOUR, pretrained=True)


def test_a_users_file_is_stored_without_its_path_and_not_imported(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("raise SystemExit('imported')\n")
    spec = resolve(f"{file}:build", GREY)
    assert (spec.name, spec.source, spec.input_size) == ("mine.py:build", "user", (1, 28, 28))
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_spec_survives_json():
    spec = resolve("resnet18", COLOUR)
    assert ModelSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../../evil.py:f"),
        ("name", "hf-hub:someone/x"),
        ("name", "red\x1b[31m"),
        ("name", 3),
        ("name", ""),
        ("source", "os"),
        ("source", ["apcli"]),
        ("source", None),
        ("num_classes", True),
        ("num_classes", 0),
        ("num_classes", 10.0),
        ("input_size", [3, 32]),
        ("input_size", "332"),
        ("input_size", [3, -1, 32]),
        ("mean", [0.5]),
        ("mean", [0.5, 0.5, float("nan")]),
        ("mean", [0.5, 0.5, 10**400]),
        ("std", [0.5, 0.5, 0]),
        ("std", None),
    ],
)
def test_junk_in_a_files_metadata_is_one_line(key, value):
    junk = resolve("resnet20", COLOUR).to_json() | {key: value}
    with pytest.raises(ApcliError, match=f"has {key} ") as caught:
        ModelSpec.from_json(junk)
    assert str(caught.value).isprintable()
    del junk[key]
    with pytest.raises(ApcliError):
        ModelSpec.from_json(junk)


@pytest.mark.parametrize("junk", [None, [], "resnet20", {}])
def test_metadata_that_is_no_model_at_all(junk):
    with pytest.raises(ApcliError):
        ModelSpec.from_json(junk)


@pytest.mark.parametrize(
    ("name", "rate"), [("alexnet", 0.01), ("vgg16_bn", 0.01), ("resnet18", 0.1), ("resnet20", 0.1), ("fc12", 0.01)]
)
def test_default_learning_rates(name, rate):
    assert default_lr(resolve(name, COLOUR)) == rate


@pytest.mark.slow
def test_our_own_models_need_neither_torchvision_nor_timm():
    program = (
        "import sys; from apcli.models.build import build, resolve; from apcli.data.image_spec import ImageSpec; "
        "build(resolve('resnet20', ImageSpec((1, 8, 8), 10, (0.3,), (0.4,)))); "
        "print([name for name in ('torchvision', 'timm') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
