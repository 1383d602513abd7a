"""The Python door out: networks of checkpoints, and products for other programs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file, save_file

import apcli


@pytest.mark.slow
def test_a_network_is_loaded_a_compact_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its own library builds it, but for the channels that it lost; files of others need its name."""
    monkeypatch.chdir(tmp_path)
    [whole] = apcli.train("resnet20", data="digits", epochs=0, device="cpu")
    options: dict[str, Any] = {"sparsity": 0.5, "structure": "filter"}
    [masked], [compact] = apcli.prune(whole, **options), apcli.prune(whole, compact=True, **options)
    image = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        given, wanted = (apcli.load(file)(image) for file in (compact, masked))
    torch.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-4)
    network = apcli.load("resnet20-digits")
    assert not network.training
    assert apcli.load(compact).layer1[0].conv1.out_channels == network.layer1[0].conv1.out_channels // 2
    save_file(load_file(whole), "theirs.safetensors")
    with pytest.raises(apcli.UsageError, match="does not say which network it is: give --model"):
        apcli.load("theirs")
    with pytest.raises(apcli.UsageError, match="takes images of many sizes: give --input-size"):
        apcli.load("theirs", model="resnet20")
    with torch.no_grad():
        assert torch.equal(apcli.load("theirs", model="resnet20", input_size=8)(image), network(image))


def test_a_wrong_call_is_refused_as_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": torch.ones(2, 2)}, "a.pth")
    for options, words in (
        ({}, "--format is not given"),
        ({"format": ["timm", "onxn"]}, "unknown format 'onxn'"),
        ({"format": "timm", "output": "-"}, "--output - is for checkpoints"),
        ({"format": "timm"}, "does not say which network it is: give --model NAME"),
    ):
        with pytest.raises(apcli.UsageError, match=words):
            apcli.export("a.pth", **options)
    assert [path.name for path in Path().iterdir()] == ["a.pth"]
