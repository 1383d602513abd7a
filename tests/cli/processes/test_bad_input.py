"""Bad input: one line that says what to do, the right exit code, and nothing written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Tensors = dict[str, np.ndarray]
PRUNE = "prune --sparsity 0.3"
BOTH = pytest.mark.parametrize("command", [f"{PRUNE} a", "divergence a b"])


@pytest.fixture
def b(shell: Any, plain: Tensors) -> Path:
    return shell.save("b.safetensors", {name: tensor + tensor.dtype.type(1) for name, tensor in plain.items()})


# ---- files


@BOTH
def test_a_file_that_is_no_safetensors_file(shell: Any, b: Path, command: str) -> None:
    (shell.folder / "a.safetensors").write_bytes(b"this is neither safetensors nor an archive")
    shell.refuses(command, 1, "a.safetensors", "not a complete safetensors file")


@pytest.mark.parametrize(
    ("command", "length"),
    [(f"{PRUNE} a", 0), (f"{PRUNE} a", 5), (f"{PRUNE} a", 100), (f"{PRUNE} a", -1), ("divergence b a", -1)],
)
def test_a_truncated_file(shell: Any, a: Path, b: Path, command: str, length: int) -> None:
    a.write_bytes(a.read_bytes()[:length])
    shell.refuses(command, 1, "a.safetensors", "not a complete safetensors file")


@pytest.mark.parametrize(
    ("command", "bad", "dtype"),
    [
        (f"{PRUNE} a", np.nan, np.float32),
        (f"{PRUNE} a", np.inf, np.float64),
        ("divergence a b", np.nan, np.float16),
        ("divergence b a", -np.inf, np.float32),
    ],
)
def test_weights_that_are_no_numbers(
    shell: Any, b: Path, plain: Tensors, command: str, bad: float, dtype: type
) -> None:
    weight = plain["fc1.weight"].astype(dtype)
    weight[3, 4] = bad
    shell.save("a.safetensors", {**plain, "fc1.weight": weight})
    shell.refuses(command, 1, "a.safetensors", "fc1.weight", "NaN or Inf")


def test_nan_anywhere_is_found_before_anything_is_written(shell: Any, plain: Tensors) -> None:
    shell.save("a.safetensors", {**plain, "fc1.bias": np.full(30, np.nan, np.float32)})
    shell.refuses("prune a --sparsity 0.1,0.3 --layers conv", 1, "fc1.bias")


@pytest.mark.parametrize(
    "command",
    [
        f"{PRUNE} missing",
        "divergence missing a",
        "divergence a --dense missing",
        "report missing.jsonl",
        "report missing.safetensors",
    ],
)
def test_a_missing_file(shell: Any, a: Path, command: str) -> None:
    shell.refuses(command, 2, "no file missing")


def test_a_missing_file_among_lines(shell: Any, a: Path) -> None:
    shell.refuses(PRUNE, 2, "no file missing", stdin=b"missing\na\n")


@pytest.mark.parametrize("command", [f"{PRUNE} folder", "divergence a folder"])
def test_a_folder_in_a_files_place(shell: Any, a: Path, command: str) -> None:
    (shell.folder / "folder").mkdir()
    shell.refuses(command, 2, "folder is a folder", "safetensors file")


def test_a_file_without_a_prunable_layer(shell: Any, plain: Tensors) -> None:
    shell.save("a.safetensors", {"fc1.bias": plain["fc1.bias"], "embed.weight": plain["fc1.weight"]})
    shell.refuses(f"{PRUNE} a", 2, "a.safetensors has no prunable layer")


def test_an_empty_layer(shell: Any, plain: Tensors) -> None:
    """torch makes such layers, with a warning: nothing to prune, nothing to fail on."""
    shell.save("a.safetensors", {**plain, "none.weight": np.empty((0, 4), np.float32)})
    result = shell(f"{PRUNE} a")
    assert (result.code, result.lines) == (0, ["a.lowest-0.3.safetensors"])
    assert shell("divergence a a.lowest-0.3").code == 0


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"version": 99}', '{"version": 1, "stage": 7}'])
def test_a_malformed_lineage(shell: Any, plain: Tensors, text: str) -> None:
    shell.save("a.safetensors", plain, {"apcli": text})
    shell.refuses(f"{PRUNE} a", 1, "a.safetensors", "lineage")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("divergence lying", "pruned", {"fc1.weight": {}}),
        ("divergence lying", "pruned", {"fc1.weight": 3}),
        ("divergence lying", "pruned", {"fc1.weight": {"zeros": "many", "size": 3}}),
        ("divergence lying", "pruned", {"missing.weight": {"zeros": 3, "size": 3}}),
        ("divergence lying", "history", [{}]),
        ("divergence lying", "history", ["epoch"]),
        ("divergence lying", "metrics", {"test": {"loss": "low"}}),
        ("divergence lying", "dense_metrics", {"test": 3}),
        ("divergence lying", "dense", {"path": "\0", "sha256": "0"}),
        ("prune lying -q --sparsity 0.5", "dense", {"path": 7, "sha256": "0"}),
        ("prune lying -q --sparsity 0.5", "settings", [7]),
        ("prune lying -q --sparsity 0.5", "seed", -1),
        ("prune lying -q --sparsity 0.5 --layers last", "model", {"last": ["fc2.weight"]}),
        ("prune lying -q --sparsity 0.5 --layers fc2", "pruned", {"fc1.weight": {"zeros": "many", "size": 3}}),
    ],
)
def test_a_lineage_with_nonsense_in_it(shell: Any, a: Path, command: str, key: str, value: Any) -> None:
    """A lineage is not trusted: it is not needed, or refused in a line that names the file; never a crash."""
    shell("prune a --sparsity 0.3")
    lineage = {**shell.lineage("a.lowest-0.3.safetensors"), key: value}
    shell.save("lying.safetensors", shell.tensors("a.lowest-0.3.safetensors"), {"apcli": json.dumps(lineage)})
    result = shell(command)
    if result.code:
        shell.check_refusal(result, result.code, "lying")
        assert result.code in (1, 2, 3)
        assert "APCLI_DEBUG" not in result.err
    else:
        assert result.out != ""


# ---- layers


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (f"{PRUNE} a --layers fc9", "fc9"),
        (f"{PRUNE} a --layers fc1,fc9.*", "fc9.*"),
        (f"{PRUNE} a --layers fc1.bias", "fc1.bias"),
        (f"{PRUNE} a --exclude FC1", "FC1"),
        ("divergence a b --layers fc9", "fc9"),
        ("divergence a b --exclude fc9", "fc9"),
    ],
)
def test_a_layer_that_does_not_exist(shell: Any, a: Path, b: Path, command: str, word: str) -> None:
    shell.refuses(command, 2, word, "conv, fc1 and fc2")


def test_an_empty_layer_list(shell: Any, a: Path) -> None:
    shell.refuses(f"{PRUNE} a --layers fc1,,fc2", 2, "empty layer")


def test_every_layer_excluded(shell: Any, a: Path) -> None:
    shell.refuses(f"{PRUNE} a --exclude all", 2, "leaves no layer")


def test_the_last_layer_of_a_file_that_does_not_say(shell: Any, a: Path) -> None:
    shell.refuses(f"{PRUNE} a --layers last", 2, "does not say which layer is last", "conv, fc1 and fc2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fc1.weight": (30, 41)}, ("fc1", "30x40", "30x41")),
        ({"fc2.weight": None}, ("fc2", "does not")),
        ({"fc3.weight": (4, 4)}, ("fc3", "does not")),
        ({"conv.weight": (8, 1, 5, 5), "fc2.weight": (11, 30)}, ("conv", "8x1x3x3", "8x1x5x5")),
    ],
)
def test_two_files_whose_layers_do_not_match(
    shell: Any, a: Path, plain: Tensors, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    changed = {name: np.ones(shape, np.float32) for name, shape in change.items() if shape}
    shell.save("b.safetensors", {name: t for name, t in {**plain, **changed}.items() if change.get(name, 1)})
    shell.refuses("divergence a b", 1, "layers do not match", *words)


def test_layers_that_do_match_can_be_named(shell: Any, a: Path, plain: Tensors) -> None:
    shell.save("b.safetensors", {**plain, "fc2.weight": np.ones((11, 30), np.float32)})
    assert shell("divergence a b --layers fc1,conv").code == 0


# ---- options


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sparsity", "words"),
    [
        ("1.0", ("--sparsity is 1", "[0, 1)")),
        ("-0.1", ("--sparsity is -0.1", "[0, 1)")),
        ("0.3,1.5", ("--sparsity is 1.5", "[0, 1)")),
        ("nan", ("--sparsity is nan", "[0, 1)")),
        ("inf", ("--sparsity is inf", "[0, 1)")),
        ("abc", ("--sparsity is 'abc'", "numbers")),
        ("30%", ("--sparsity is '30%'", "numbers", "give 0.3")),
        ("0.3,", ("--sparsity is '0.3,'", "numbers", "give 0.3")),
        ("''", ("--sparsity is ''", "numbers")),
        ("0,3", ("--sparsity is '0,3'", "numbers", "give 0.3")),
    ],
)
def test_a_sparsity_that_is_none(shell: Any, a: Path, sparsity: str, words: tuple[str, ...]) -> None:
    shell.refuses(f"prune a --sparsity {sparsity}", 2, *words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("prune a", ("the amount to remove is not given", "--sparsity")),
        ("prune a --sparsity", ("--sparsity",)),
        ("prune a --sparsty 0.3", ("No such option", "--sparsity")),
        ("prune a --sparsity 0.3 --method biggest", ("unknown method 'biggest'", "lowest, highest, random")),
        ("prune a --sparsity 0.3 --method lowest,smallest", ("unknown method 'smallest'", "lowest, highest, random")),
        ("prune a --sparsity 0.3 --method lowest:share=3", ("lowest", "no parameter 'share'")),
        ("prune a --sparsity 0.3 --scope galaxy", ("unknown scope 'galaxy'", "layer, global")),
        ("prune a --sparsity 0.3 --seed one", ("--seed is 'one'", "whole number")),
        ("prune a --sparsity 0.3 --seed -1", ("--seed is -1",)),
        ("prune a --sparsity 0.3 --seeds 0,x", ("--seeds is '0,x'", "0,1,2")),
        ("prune a --sparsity 0.3 --seeds 1,1", ("--seeds is 1,1", "once")),
        ("prune a --sparsity 0.3 --seed 0 --seeds 1,2", ("--seed and --seeds",)),
        ("prune a --sparsity 0.3,0.5 -o out.safetensors", ("out.safetensors is one file", "folder")),
        ("prune a a --sparsity 0.3 -o out.safetensors", ("out.safetensors is one file", "folder")),
        ("prune a --sparsity 0.3 --seeds 0,1", ("--seeds", "lowest draws nothing")),
        (
            "prune a --method random --sparsity 0.3 --seeds 0,1 -o out.safetensors",
            ("out.safetensors is one file", "folder"),
        ),
        ("divergence a a --dist cauchi", ("unknown distribution 'cauchi'", "ap2, gaussian, student-t")),
        ("divergence a a --dist student-t:nu=3", ("no parameter 'nu'", "df")),
        ("divergence a a --dist student-t:df=many", ("student-t:df", "'many'", "number")),
        ("divergence a a --dist student-t:df=0", ("df is 0",)),
        ("divergence a a --dist gaussian:scale=0", ("scale is 0",)),
        ("divergence a a --dist gaussian:cov=full", ("path=FILE",)),
        ("divergence a a --dist ap2:groups=-1", ("groups is -1",)),
        ("divergence a a --dist ap2:groups=100000000", ("groups=100000000", "layer * has only 1572 weights")),
        ("divergence - -", ("twice",)),
        ("finetune a --update some", ("--update is 'some'", "all or pruned")),
        ("finetune a --momentum 1", ("--momentum is 1",)),
        ("prun a", ("No such command", "prun", "--help")),
        ("--verbose prune a", ("No such option", "--verbose")),
    ],
)
def test_a_wrong_option(shell: Any, a: Path, command: str, words: tuple[str, ...]) -> None:
    shell.refuses(command, 2, *words)


# ---- ancestors


def test_no_dense_file_is_known(shell: Any, a: Path) -> None:
    shell.refuses("divergence a", 2, "a.safetensors does not say which dense file", "--dense FILE")


def test_bytes_do_not_know_their_dense_file(shell: Any, a: Path) -> None:
    pruned = shell("prune - -o - --sparsity 0.3", a.read_bytes()).raw
    shell.refuses("divergence", 2, "standard input does not say which dense file", "--dense FILE", stdin=pruned)
    assert shell("divergence --dense a", pruned).code == 0


def test_the_dense_file_went_away(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3")
    a.rename(shell.folder / "c.safetensors")
    shell.refuses("divergence a.lowest-0.3", 2, "a.safetensors", "is missing", "--dense FILE")
    assert shell("divergence a.lowest-0.3 --dense c").code == 0


def test_the_dense_file_changed(shell: Any, a: Path, plain: Tensors) -> None:
    shell("prune a --sparsity 0.3")
    shell.save("a.safetensors", {**plain, "fc1.bias": np.zeros(30, np.float32)})
    shell.refuses("divergence a.lowest-0.3", 3, "a.safetensors is not the dense file", "SHA-256", "--dense FILE")


# ---- what is there already, and places that cannot be written


def test_another_file_in_the_way(shell: Any, a: Path) -> None:
    (shell.folder / "a.lowest-0.3.safetensors").write_text("notes of mine")
    shell.refuses(f"{PRUNE} a", 2, "a.lowest-0.3.safetensors exists", "--overwrite", "--output")
    assert shell(f"{PRUNE} a --overwrite").code == 0
    assert (shell.tensors("a.lowest-0.3.safetensors")["fc1.weight"] == 0).sum() == 360


def test_the_input_itself_in_the_way(shell: Any, a: Path) -> None:
    shell.refuses(f"{PRUNE} a -o a.safetensors", 2, "a.safetensors is the input", "another")


def test_the_input_changed(shell: Any, a: Path, plain: Tensors) -> None:
    shell(f"{PRUNE} a")
    shell.save("a.safetensors", {name: tensor * tensor.dtype.type(2) for name, tensor in plain.items()})
    shell.refuses(f"{PRUNE} a", 2, "a.lowest-0.3.safetensors exists and was made with other settings")


def test_two_inputs_never_share_an_output(shell: Any, plain: Tensors) -> None:
    shell.save("one/a.safetensors", plain)
    shell.save("two/a.safetensors", {name: tensor + tensor.dtype.type(1) for name, tensor in plain.items()})
    for overwrite in ("", " --overwrite"):
        result = shell(f"{PRUNE} one/a two/a -o out{overwrite}")
        assert result.code == 2
        assert result.lines == ["out/a.lowest-0.3.safetensors"]
        assert result.complaints[-1].startswith("apcli: error: out/a.lowest-0.3.safetensors")
        kept = shell.tensors("out/a.lowest-0.3.safetensors")["fc1.bias"]
        assert np.array_equal(kept, plain["fc1.bias"])


@pytest.mark.parametrize(
    "output", ["a.safetensors/below", "a.safetensors/below.safetensors", "/proc/none/x.safetensors"]
)
def test_a_place_that_cannot_be_written(shell: Any, a: Path, output: str) -> None:
    shell.refuses(f"{PRUNE} a -o {output}", 1, "cannot write", "--output")


def test_a_line_of_rubbish(shell: Any) -> None:
    shell.refuses(PRUNE, 2, "no file", stdin=b"x" * 5000)


def test_sparsities_that_differ_have_files_that_differ(shell: Any, a: Path) -> None:
    result = shell("prune a --sparsity 0.1234561,0.1234562")
    assert result.code == 0, result.err
    assert len(set(result.lines)) == 2


@pytest.mark.parametrize("command", [f"{PRUNE} a", "prune --sparsity 0.3,0.5 a b"])
def test_a_full_disk(shell: Any, a: Path, b: Path, command: str) -> None:
    with shell.full_disk():
        shell.refuses(command, 1, "cannot write a.lowest-0.3.safetensors", "--output")


def test_a_full_disk_under_bytes_on_their_way(shell: Any, a: Path) -> None:
    with shell.full_disk():
        result = shell("prune - -o - --sparsity 0.3", a.read_bytes())
    shell.check_refusal(result, 1, "write")
    assert "APCLI_DEBUG" not in result.err  # expected, so it is not for the one who mends apcli


@pytest.mark.slow
def test_a_full_disk_in_a_process_of_its_own(shell: Any, a: Path) -> None:
    result = shell.bash(f"ulimit -f 2; apcli {PRUNE} a")  # blocks of 1024 bytes
    shell.check_refusal(result, 1, "cannot write a.lowest-0.3.safetensors", "--output")


def test_a_full_disk_keeps_the_file_that_was_there(shell: Any, a: Path) -> None:
    shell(f"{PRUNE} a")
    with shell.full_disk():
        command = f"{PRUNE} a --method highest -o a.lowest-0.3.safetensors --overwrite"
        shell.refuses(command, 1, "cannot write")


# ---- models and data (each of these loads torch)


def test_a_model_that_does_not_fit_the_file(shell: Any, a: Path) -> None:
    shell.refuses("finetune a --model fc5 --epochs 1", 1, "a.safetensors does not fit the model", "fc1.weight")


def test_a_file_that_does_not_say_its_model(shell: Any, a: Path) -> None:
    shell.refuses("finetune a --epochs 1", 2, "a.safetensors does not say which network", "--model")
