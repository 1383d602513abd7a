"""Specs become networks: the libraries' models, published weights, a user's file, and names nobody should trust."""

import logging
from dataclasses import replace

import pytest
import torch
from torch import nn

from apcli.configs.shared import InputConfig
from apcli.data.image_spec import ImageSpec
from apcli.errors import ApcliError, UsageError
from apcli.models.build import arguments, build, last_layer, outline
from apcli.models.copies import emptied
from apcli.models.spec import ModelSpec, resolve

DATA = ImageSpec((3, 32, 32), 10, (0.5,) * 3, (0.25,) * 3)
USER = ModelSpec("mine.py:net", "user", 4, (3, 8, 8), (0.5,) * 3, (0.5,) * 3)

NET = """
from helper_of_mine import WIDTH
from torch import nn

def net(num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, num_classes))

def fixed():
    return nn.Flatten()

def wrong():
    return 3

def broken(num_classes):
    return 1 / 0
"""


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "timm:test_efficientnet", "timm:test_vit"])
def test_an_outline_is_the_network_and_draws_nothing(name):
    spec = resolve(name, DATA, InputConfig(input_size=32))
    before = torch.get_rng_state()
    known = {**(found := outline(spec)).state_dict(), **dict(found.named_buffers())}
    assert torch.equal(before, torch.get_rng_state())
    expected = {**(built := emptied(build(spec), "meta")).state_dict(), **dict(built.named_buffers())}
    assert list(known) == list(expected)
    for tensor, other in zip(known.values(), expected.values(), strict=True):
        assert (tensor.shape, tensor.is_meta) == (other.shape, other.is_meta)
        assert tensor.is_meta or torch.equal(tensor, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("resnet20", 8, "fc.weight"),
        ("fc5", 8, "fc5.weight"),
        ("alexnet", 64, "classifier.6.weight"),
        ("resnet18", 32, "fc.weight"),
        ("squeezenet1_1", 32, "classifier.1.weight"),
        ("googlenet", 32, "fc.weight"),
        ("inception_v3", 75, "fc.weight"),
        ("timm:test_resnet", 32, "fc.weight"),
        ("timm:test_vit", 32, "head.weight"),
        ("timm:levit_128s", 32, "head.linear.weight"),
    ],
)
def test_models_build_train_and_name_their_last_layer(name, size, layer):
    spec = resolve(name, DATA, InputConfig(input_size=size))
    model = build(spec)
    images = torch.randn(2, *spec.input_size)
    logits = model.train()(images)
    assert logits.shape == (2, 10)
    logits.sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    assert model.eval()(images).shape == (2, 10)
    assert last_layer(model, spec) == layer
    assert model.state_dict()[layer].shape[0] == 10


def test_vgg_has_the_shape_that_the_spec_says():
    with torch.device("meta"):  # half a gigabyte otherwise
        model = build(resolve("vgg11", DATA, InputConfig(input_size=32)))
    assert model.state_dict()["classifier.6.weight"].shape == (10, 4096)


def test_same_seed_same_weights():
    spec = resolve("resnet20", DATA)
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(build(spec).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_last_layer_of_a_model_without_a_layer_for_the_classes():
    spec = replace(USER, num_classes=99)
    assert last_layer(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)), spec) == "1.weight"
    with pytest.raises(ApcliError, match="no last layer"):
        last_layer(nn.Flatten(), spec)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("timm", "hf-hub:someone/model"),
        ("timm", "local-dir:/tmp/model"),
        ("timm", "../../model"),
        ("timm", "resnet18.no_such_tag"),
        ("torchvision", "os.system"),
        ("torchvision", "../resnet18"),
        ("torchvision", "ResNet18"),
        ("apcli", "resnet1202"),
    ],
)
def test_a_name_from_a_file_is_only_looked_up(source, name):
    spec = ModelSpec(name, source, 10, (3, 32, 32), (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ApcliError, match="has no model"):
        build(spec)


def test_a_file_cannot_make_its_code_run(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    for name in ("mine.py:net", "../mine.py:net", str(tmp_path / "mine.py:net")):
        with pytest.raises(UsageError, match="give --model"):
            build(replace(USER, name=name))
    assert not (tmp_path / "ran").exists()


def test_a_library_that_cannot_build_says_so_in_one_line():
    with pytest.raises(ApcliError, match=r"maxvit_t.*32 x 32.*--input-size") as caught:
        build(resolve("maxvit_t", DATA, InputConfig(input_size=32)))
    assert "\n" not in str(caught.value)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "helper_of_mine.py").write_text("WIDTH = 3 * 8 * 8\n")
    file = tmp_path / "mine.py"
    file.write_text(NET)
    return file


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_a_users_network_of_another_precision_computes_in_float32(tmp_path, caplog, dtype):
    """Images are float32, and so is all that is measured."""
    caplog.set_level(logging.INFO, "apcli")
    file = tmp_path / "narrow.py"
    file.write_text(f"import torch\ndef net():\n    return torch.nn.Linear(3, 4).to(torch.{dtype})\n")
    assert build(USER, user_model=f"{file}:net")(torch.zeros(2, 3)).dtype == torch.float32
    assert f"has weights in {dtype}: apcli computes in float32" in caplog.text


def test_a_users_function_gets_the_classes_and_may_import_beside_it(mine):
    model = build(USER, user_model=f"{mine}:net")
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 4)
    assert last_layer(model, USER) == "1.weight"
    assert isinstance(build(USER, user_model=f"{mine}:fixed"), nn.Flatten)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        ("wrong", ApcliError, "returned a int: expected a torch.nn.Module"),
        ("broken", ApcliError, r"mine\.py:15: ZeroDivisionError: division by zero"),
        ("absent", UsageError, "no function 'absent'"),
    ],
)
def test_a_users_mistakes_are_one_line(mine, function, error, words):
    with pytest.raises(error, match=words):
        build(USER, user_model=f"{mine}:{function}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torch\ndef net(:\n", r"mine\.py:2: SyntaxError"),
        ("import no_such_module_at_all\n", r"mine\.py:1: ModuleNotFoundError"),
        ("raise SystemExit(0)\n", r"mine\.py:1: SystemExit"),
    ],
)
def test_a_users_file_that_does_not_import(tmp_path, text, words):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ApcliError, match=words) as caught:
        build(USER, user_model=f"{file}:net")
    assert "\n" not in str(caught.value)


def test_a_users_file_for_a_registered_model_is_refused(mine):
    with pytest.raises(UsageError, match="leave --model out"):
        build(resolve("resnet20", DATA), user_model=f"{mine}:net")


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Closed proxies and empty caches: what a machine without a network has."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_published_weights_come_without_their_last_layer(no_network, caplog):
    from torchvision import models

    caplog.set_level(logging.INFO, "apcli")
    published = models.squeezenet1_1()
    url = models.get_model_weights("squeezenet1_1").DEFAULT.url
    cache = no_network / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(published.state_dict(), cache / url.rpartition("/")[2])
    own = build(resolve("squeezenet1_1", DATA, pretrained=True), pretrained=True).state_dict()
    for name, tensor in published.state_dict().items():
        assert name.startswith("classifier.1.") or torch.equal(own[name], tensor)
    assert own["classifier.1.weight"].shape[0] == 10
    assert "classifier.1 starts fresh" in caplog.text


@pytest.mark.slow
def test_published_weights_without_a_network_is_one_line(no_network):
    with pytest.raises(ApcliError, match="--weights FILE") as caught:
        build(resolve("resnet18", DATA), pretrained=True)
    assert "\n" not in str(caught.value)


def test_inception_normalisation_is_that_of_its_published_weights():
    """torchvision renormalises inside forward() when it loads them; our spec does the same before it."""
    from torchvision import models

    inner = models.GoogLeNet(num_classes=10, aux_logits=False, transform_input=True, init_weights=False)
    spec = resolve("googlenet", DATA, pretrained=True)
    pixels = torch.rand(2, 3, 8, 8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = inner._transform_input((pixels - mean) / std)
    ours = (pixels - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
    torch.testing.assert_close(ours, expected)
    assert build(spec).transform_input is False


def test_a_wrapped_network_is_unwrapped(tmp_path, caplog):
    caplog.set_level(logging.INFO, "apcli")
    file = tmp_path / "wrapped.py"
    file.write_text("from torch import nn\ndef net():\n    return nn.DataParallel(nn.Linear(3, 4))\n")
    model = build(USER, user_model=f"{file}:net")
    assert list(model.state_dict()) == ["weight", "bias"]
    assert "is wrapped in DataParallel: its module is taken" in caplog.text


def test_lazy_layers_get_their_sizes_from_an_image(tmp_path, caplog):
    caplog.set_level(logging.INFO, "apcli")
    file = tmp_path / "lazy.py"
    file.write_text(
        "from torch import nn\ndef net():\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.Linear(5, 4))\n"
    )
    model = build(USER, user_model=f"{file}:net")
    assert model[1].weight.shape == (5, USER.input_size[0] * USER.input_size[1] * USER.input_size[2])
    assert model.training
    assert model[2].num_batches_tracked == 0, "the image leaves no trace in the statistics"
    assert "has layers without sizes" in caplog.text


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("torchvision", "resnet18", {}),
        ("torchvision", "googlenet", {"aux_logits": False}),
        ("torchvision", "vit_b_32", {"image_size": 64}),
        ("timm", "test_vit", {"img_size": (64, 64)}),
        ("timm", "test_resnet", {}),
    ],
)
def test_arguments_are_those_that_the_weights_depend_on(source, name, expected):
    spec = ModelSpec(name, source, 7, (3, 64, 64), (0.5,) * 3, (0.5,) * 3)
    assert arguments(spec) == {"num_classes": 7, **expected}
