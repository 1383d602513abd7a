"""``apcli behaviour``: the table, the records, and pipes."""

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def net(shell: Any, small_net: Path) -> None:
    (shell.folder / "net.safetensors").write_bytes(small_net.read_bytes())


@pytest.fixture(scope="module")
def small_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from short_trainings import trained

    return trained(tmp_path_factory.mktemp("net"), epochs=3, lr=0.05)


def test_a_pipe_of_pruned_files(shell: Any, net: None) -> None:
    pruned = shell("prune net --sparsity 0.3,0.6").raw
    result = shell("behaviour --images 50 --device cpu", pruned)
    assert result.code == 0, result.err
    assert [(r["kind"], r["sparsity"]["requested"]) for r in result.records] == [("behaviour", 0.3), ("behaviour", 0.6)]
    assert result.raw == shell("behaviour --images 50 --device cpu", pruned).raw
    assert {r["evaluated"]["images"] for r in result.records} == {50}


def test_the_table_of_a_pair(shell: Any, net: None) -> None:
    shell("prune net --sparsity 0.9 --method highest")
    text = shell("behaviour net net.highest-0.9 --device cpu", terminal="stdout", COLUMNS="100").out
    assert "net.safetensors (dense) and net.highest-0.9.safetensors: 355 test images of digits" in text
    for words in ("accuracy, %", "top-5, %", "calibration error (ECE), scaled", "temperature fitted", "McNemar p"):
        assert words in text
    assert "classes whose accuracy changes (Holm, 5 %): " in text
    (accuracy,) = [line.split() for line in text.splitlines() if line.startswith("accuracy")]
    assert float(accuracy[4].replace("−", "-")) == pytest.approx(float(accuracy[3]) - float(accuracy[2]), abs=0.011)
    itself = shell("behaviour net net --device cpu --validation 0", terminal="stdout").out
    assert "both predict one class on 100.00 % of the images" in itself
    assert "scaled" not in itself
    assert "classes whose" not in itself


def test_wrong_requests(shell: Any, net: None) -> None:
    shell.refuses("behaviour net net --images -3", 2, "--images is -3")
    shell.refuses("behaviour net net --validation 20", 2, "0.2 for 20 %")
    shell.refuses("behaviour net", 2, "dense")


def test_exemplars_come_last_and_images_have_files(shell: Any, net: None) -> None:
    pruned = shell("prune net --method lowest,random,lamp --sparsity 0.5").raw
    result = shell("behaviour --device cpu --predictions out", pruned)
    *pairs, last, overlap = result.records
    assert [r["kind"] for r in pairs] == ["behaviour"] * 3
    assert (overlap["kind"], overlap["between"]) == ("overlap", "methods"), "lamp has the mask of lowest in each layer"
    assert (last["kind"], last["networks"] + last["left_out"], last["dense"]) == ("exemplars", 3, 1)
    assert set(last["methods"]) <= {"lowest", "random", "lamp"}
    assert sorted(path.name for path in (shell.folder / "out").iterdir()) == [
        "net.lamp-0.5.behaviour.safetensors",
        "net.lowest-0.5.behaviour.safetensors",
        "net.random-0.5.behaviour.safetensors",
    ]
    found = shell.tensors("out/net.lowest-0.5.behaviour.safetensors")
    right = (found["pruned.predictions"] == found["label"]).mean()
    (lowest,) = [r for r in pairs if r["method"] == "lowest"]
    assert lowest["predictions"]["accuracy"]["pruned"] == pytest.approx(100 * right)
    assert shell("behaviour --device cpu --predictions out", pruned).raw == result.raw, "the same again"
    text = shell("behaviour --device cpu net.lowest-0.5 net.random-0.5 net.lamp-0.5", terminal="stdout").out
    table = " ".join(text.split())
    assert "Images that dense networks get right and most of 3 pruned ones at sparsity 0.5 wrong" in table
    assert "Kept weights: shared by both files" in table
    assert f"{last['found']} of {last['right']} images" in table
