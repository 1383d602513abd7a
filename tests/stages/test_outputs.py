"""Where results go; what is kept, refused or replaced."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from apcli.checkpoints.files.entries import Entry
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Link, Promise, Settings
from apcli.checkpoints.reading import read
from apcli.checkpoints.writing import write
from apcli.errors import UsageError, VerificationError
from apcli.stages.outputs import Outputs

WANTED = Lineage.EMPTY.then("prune", {"sparsity": 0.5, "layers": ("a", "b")}, model={"name": "fc5"})


def made(path: Path, **settings: object) -> Path:
    settings = {"sparsity": 0.5, "layers": ["a", "b"], **settings}
    lineage = Lineage.EMPTY.then("prune", settings, model={"name": "fc5", "last": "fc.weight"})
    write(path, {"t": Entry("F32", (1,), np.zeros(4, np.uint8))}, lineage)
    return path


def test_beside_the_input_in_a_folder_or_as_named(tmp_path):
    source = read(made(tmp_path / "runs" / "net.safetensors"))
    assert Outputs().place("net.lowest-0.3", source) == tmp_path / "runs" / "net.lowest-0.3.safetensors"
    assert Outputs().place("net-digits") == Path("net-digits.safetensors")
    assert Outputs(tmp_path).place("net.lowest-0.3", source) == tmp_path / "net.lowest-0.3.safetensors"
    assert Outputs(tmp_path / "new").place("a.b", source) == tmp_path / "new" / "a.b.safetensors"
    assert Outputs(tmp_path / "x.safetensors").place("net", source) == tmp_path / "x.safetensors"
    (tmp_path / "odd.safetensors").mkdir()
    assert not Outputs(tmp_path / "odd.safetensors").names_a_file
    assert Outputs(tmp_path / "odd.safetensors").place("a") == tmp_path / "odd.safetensors" / "a.safetensors"


def test_one_file_takes_one_checkpoint(tmp_path):
    outputs = Outputs(tmp_path / "x.safetensors")
    assert not outputs.has(outputs.place("a"), WANTED)
    with pytest.raises(UsageError, match=r"x\.safetensors is one file but several .*expected a folder"):
        outputs.place("b")
    folder = Outputs(tmp_path)
    places = [folder.place(stem) for stem in "abc"]
    assert [folder.has(path, WANTED) for path in places] == [False] * 3
    assert len(set(places)) == 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_and_its_dense_ancestor_are_never_written_over(tmp_path, overwrite):
    dense = read(made(tmp_path / "dense.safetensors"))
    link = dense.link(tmp_path)
    lineage = Lineage.EMPTY.then("prune", {}, parent=link, dense=link)
    write(tmp_path / "pruned.safetensors", dict(dense.entries), lineage)
    pruned = read(tmp_path / "pruned.safetensors")
    (tmp_path / "alias").symlink_to(tmp_path)
    for target in ("dense.safetensors", "pruned.safetensors", "alias/dense.safetensors"):
        with pytest.raises(UsageError, match="is the input, or its dense ancestor"):
            Outputs(tmp_path / target, overwrite).place("x", pruned)
    assert Outputs(tmp_path / "other.safetensors", overwrite).place("x", pruned).name == "other.safetensors"


def test_lineage_paths_start_where_the_file_will_lie(tmp_path):
    assert Outputs().home_of(tmp_path / "a" / "x") == tmp_path / "a"
    assert Outputs(tmp_path, home=Path("/elsewhere")).home_of(tmp_path / "x") == Path("/elsewhere")


def test_nothing_there(tmp_path):
    assert not Outputs().has(tmp_path / "x.safetensors", WANTED)


def test_the_same_is_kept(tmp_path, caplog):
    path = made(tmp_path / "x.safetensors")
    with caplog.at_level(logging.INFO, "apcli"):
        assert Outputs().has(path, WANTED)  # what is there may know more
    assert "x.safetensors is already there, made the same way: kept" in caplog.text


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"stage": "finetune"}, "stage prune → finetune"),
        ({"settings": ()}, "prune → none"),
        ({"settings": (Settings("prune", {"sparsity": 0.5}),) * 2}, "prune → prune and prune"),
        ({"settings": (Settings("prune", {"sparsity": 0.6, "layers": ["a", "b"]}),)}, "sparsity 0.5 → 0.6"),
        ({"settings": (Settings("prune", {"sparsity": 0.5, "layers": ["a"]}),)}, 'layers ["a", "b"] → ["a"]'),
        ({"parent": Link("p", "0")}, 'parent none → {"path": "p", "sha256": "0"}'),
        ({"data": {"name": "digits"}}, 'data none → {"name": "digits"}'),
        ({"seed": 1}, "seed none → 1"),
        ({"metrics": {"test": {"loss": 1.0, "accuracy": 50.0}}}, "metrics test not recorded → "),
        ({"history": ({"epoch": 1},)}, 'history [] → [{"epoch": 1}]'),
        ({"model": {"name": "fc12"}}, "model name fc5 → fc12"),
        ({"model": {"name": "fc5", "classes": 3}}, "model classes not recorded → 3"),
    ],
)
def test_another_is_refused_or_replaced(tmp_path, change, difference):
    path = made(tmp_path / "x.safetensors")
    with pytest.raises(UsageError) as error:
        Outputs().has(path, replace(WANTED, **change))
    assert f"x.safetensors exists and was made with other settings ({difference}" in str(error.value)
    assert str(error.value).endswith("): --overwrite replaces it, --output names another place")
    assert not Outputs(overwrite=True).has(path, replace(WANTED, **change))


@pytest.mark.parametrize("content", [b"", b"notes", b"\0" * 64])
def test_what_is_no_checkpoint_is_not_replaced_either(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.safetensors exists and is no checkpoint: --overwrite"):
        Outputs().has(path, WANTED)
    assert not Outputs(overwrite=True).has(path, WANTED)
    assert path.read_bytes() == content


def test_a_file_without_a_lineage_is_not_ours(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"t": np.zeros(1)}, path)
    with pytest.raises(UsageError, match=r"x\.safetensors exists and was not made by apcli: --overwrite"):
        Outputs().has(path, WANTED)


def test_overwrite_makes_it_again_even_where_it_is_the_same(tmp_path):
    assert not Outputs(overwrite=True).has(made(tmp_path / "x.safetensors"), WANTED)


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_results_of_one_name_do_not_replace_each_other(tmp_path, overwrite):
    """--overwrite is about what was there before the command, not about its own results."""
    outputs = Outputs(tmp_path, overwrite)
    path = outputs.place("x")
    assert not outputs.has(path, WANTED)
    made(path)
    assert outputs.has(outputs.place("x"), WANTED)
    with pytest.raises(UsageError, match=r"x\.safetensors"):
        outputs.has(outputs.place("x"), replace(WANTED, stage="finetune"))


def test_what_lost_its_zeros_is_not_kept(tmp_path):
    path = made(tmp_path / "x.safetensors")
    lineage = read(path).lineage
    lineage = replace(lineage, pruned={"t": Promise(1, 1, requested=1)})
    write(path, {"t": Entry("F32", (1,), np.zeros(4, np.uint8))}, lineage)
    assert Outputs().has(path, WANTED)
    content = bytearray(path.read_bytes())
    content[-1] = 0x3F
    path.write_bytes(content)
    with pytest.raises(VerificationError, match="t has 0 zeros"):
        Outputs().has(path, WANTED)
