"""Which weights go by a plan, and the values of those that stay."""

import pytest
import torch
from prunings import SHAPES, run, three_layers, zeros
from safetensors.torch import load_file, save_file

from apcli.checkpoints.reading import read


def test_the_mask_of_another_file(source, tmp_path):
    other = three_layers(tmp_path / "other.safetensors", seed=1)
    (masked,) = run(other, 0.5)
    (path,) = run(source, mask_from=str(masked))
    for name in SHAPES:
        mask, own, after = (load_file(p)[name] for p in (masked, source, path))
        assert torch.equal(after, torch.where(mask == 0, 0, own))
    assert read(path).lineage.pruned["fc1.weight"].method == "mask of lowest"
    assert path.name == "net.mask.other.lowest-0.5.safetensors"
    assert torch.equal(load_file(path)["fc1.bias"], load_file(source)["fc1.bias"])
    (own_zeros,) = run(source, 0.5, method="highest", folder=tmp_path / "own")
    (both,) = run(own_zeros, mask_from=str(masked), folder=tmp_path / "both")
    gone = [load_file(p)["fc1.weight"] == 0 for p in (own_zeros, masked, both)]
    assert torch.equal(gone[2], gone[0] | gone[1])


@pytest.mark.parametrize("earlier", [False, True])
def test_rewinding_keeps_the_mask_and_takes_the_values(source, tmp_path, earlier):
    initial = three_layers(tmp_path / "initial.safetensors", seed=5, scale=3)
    if earlier:
        (source,) = run(source, 0.5, layers="fc1")
    (plain,) = run(source, 0.8, layers="conv,fc1", folder=tmp_path / "plain")
    (path,) = run(source, 0.8, layers="conv,fc1", rewind_to=str(initial))
    assert path.name.endswith(".lowest-0.8-conv+fc1.rewound.safetensors")
    for name in SHAPES:
        gone = load_file(plain)[name] == 0
        assert torch.equal(load_file(path)[name], torch.where(gone, 0, load_file(initial)[name]))
    assert (load_file(path)["fc1.bias"] == 3).all()
    promises = read(path).lineage.pruned
    assert {promises[f"{layer}.weight"].method for layer in ("conv", "fc1")} == {"lowest rewound"}
    assert read(path).lineage.settings[-1].options["rewind_to"] == read(initial).sha256


def test_rewinding_keeps_zeros_of_layers_that_are_not_chosen(source, tmp_path):
    initial = three_layers(tmp_path / "initial.safetensors", seed=5, scale=3)
    (once,) = run(source, 0.5, layers="fc1")
    (path,) = run(once, 0.5, layers="conv", rewind_to=str(initial))
    assert zeros(path) == {"conv": 144, "fc1": 600, "fc2": 0}


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2), (3, 8)])
@pytest.mark.parametrize("method", ["lowest", "highest", "random", "lamp"])
def test_n_of_every_m_inputs(source, tmp_path, method, n, m, caplog):
    (path,) = run(source, method=method, structure=f"{n}:{m}", folder=tmp_path / "out")
    after, before = load_file(path), load_file(source)
    suited = [name for name, shape in SHAPES.items() if shape[1] % m == 0]
    for name, shape in SHAPES.items():
        if name not in suited:
            assert torch.equal(after[name], before[name])
            assert name.removesuffix(".weight") in caplog.text
            continue
        groups = after[name].reshape(shape[0], shape[1], -1).transpose(1, 2).reshape(-1, m)
        assert ((groups != 0).sum(1) == n).all()
        if method != "random":
            magnitudes = before[name].reshape(shape[0], shape[1], -1).transpose(1, 2).reshape(-1, m).abs()
            expected = magnitudes.topk(n, 1, largest=method != "highest").values.sort(1).values
            assert torch.equal(groups.abs().sort(1).values[:, m - n :], expected)
    assert read(path).lineage.pruned.keys() == set(suited)


def test_a_zero_that_goes_keeps_its_sign_and_a_weight_becomes_plus_zero(tmp_path):
    save_file({"fc.weight": torch.tensor([[-0.0, -0.1], [-3.0, 4.0]])}, tmp_path / "net.safetensors")
    (path,) = run(tmp_path / "net.safetensors", 0.5)
    after = load_file(path)["fc.weight"]
    assert after.tolist() == [[0, 0], [-3, 4]]
    assert after.signbit().tolist() == [[True, False], [True, False]]
