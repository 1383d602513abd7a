"""What may come in: paths and bytes where checkpoints are expected, records where records are."""

import os
from inspect import signature
from io import StringIO
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch

from apcli.cli.main import COMMANDS
from apcli.cli.streams import standard
from apcli.cli.streams.standard import Streams
from apcli.cli.streams.stdin import checkpoints_in, count_pairs, holds_more, is_checkpoint, is_fed, records_in
from apcli.errors import UsageError
from apcli.registry.tables import imported

NAMES = ["a.lowest-0.3.safetensors", "a.lowest-0.8.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ("a.safetensors", ""),
        ("a", ""),
        ("./a.safetensors", ""),
        ("", "a.safetensors\n"),
        ("-", "a.safetensors\n"),
        ("", "a\n"),
        ("", "a.safetensors"),
        ("", "\n  \na.safetensors\r\n"),
    ],
)
def test_checkpoints_are_named_by_arguments_or_lines(shell: Any, a: Path, arguments: str, stdin: str) -> None:
    result = shell(f"prune --sparsity 0.3,0.8 {arguments}", stdin.encode())
    assert result.code == 0
    assert result.lines == NAMES
    assert all((shell.folder / name).is_file() for name in NAMES)


def test_arguments_and_lines_are_taken_in_the_order_given(shell: Any, plain: dict[str, np.ndarray]) -> None:
    for name in ("a", "b", "c"):
        shell.save(f"{name}.safetensors", plain)
    result = shell("prune c - a --sparsity 0.5", b"b\n")
    assert result.lines == [f"{name}.lowest-0.5.safetensors" for name in ("c", "b", "a")]


@pytest.mark.parametrize(
    ("name", "found"), [("a", True), ("a.safetensors", True), ("bytes", True), ("-", False), ("torch", True)]
)
def test_a_checkpoint_is_known_by_its_name_or_first_bytes(
    shell: Any, a: Path, monkeypatch: pytest.MonkeyPatch, name: str, found: bool
) -> None:
    monkeypatch.chdir(shell.folder)
    Path("bytes").write_bytes(a.read_bytes())
    torch.save({}, "torch")
    Path("records").write_text('{"kind": "divergence"}\n')
    assert is_checkpoint(name) == found
    assert not is_checkpoint("records")
    assert not is_checkpoint("nowhere")


def test_several_checkpoints_travel_back_to_back(shell: Any, plain: dict[str, np.ndarray]) -> None:
    one = shell.save("one.safetensors", plain).read_bytes()
    two = shell.save("two.safetensors", {"only.weight": plain["fc1.weight"]}).read_bytes()
    both = shell("prune -o - --sparsity 0.5", one + two)
    assert both.code == 0, both.err
    assert both.raw == shell("prune -o - --sparsity 0.5", one).raw + shell("prune -o - --sparsity 0.5", two).raw


def test_bytes_without_a_name_are_called_stdin(shell: Any, a: Path) -> None:
    result = shell("prune --sparsity 0.5", a.read_bytes())
    assert result.lines == ["stdin.lowest-0.5.safetensors"]
    assert shell.lineage(result.lines[0])["dense"]["path"] is None


@pytest.mark.parametrize("cut", [4, 60, -1])
def test_bytes_cut_short_are_refused(shell: Any, a: Path, cut: int) -> None:
    shell.refuses("prune --sparsity 0.3", 1, "standard input", "safetensors", stdin=a.read_bytes()[:cut])


def test_bytes_of_something_else_are_refused(shell: Any) -> None:
    shell.refuses("prune --sparsity 0.3", 1, "standard input", stdin=bytes(range(256)))


@pytest.fixture
def pth(shell: Any, plain: dict[str, np.ndarray]) -> Path:
    """``theirs.pth``, a training checkpoint of the tensors of ``plain``, with an average of them."""
    tensors = {f"module.{name}": torch.from_numpy(np.ascontiguousarray(tensor)) for name, tensor in plain.items()}
    average = {name: tensor.clamp(min=0) for name, tensor in tensors.items()}
    path: Path = shell.folder / "theirs.pth"
    torch.save({"state_dict": tensors, "state_dict_ema": average, "epoch": 3}, path)
    return path


def test_a_pytorch_file_is_pruned_measured_and_described_as_any_other(
    shell: Any, a: Path, pth: Path, plain: dict[str, np.ndarray]
) -> None:
    result = shell("prune theirs.pth --sparsity 0.5")
    assert result.lines == ["theirs.lowest-0.5.safetensors"]
    assert "theirs.pth: read is state_dict; passed over: state_dict_ema and epoch" in result.err
    shell("prune a --sparsity 0.5")
    ours, wanted = shell.tensors("theirs.lowest-0.5.safetensors"), shell.tensors("a.lowest-0.5.safetensors")
    assert all(np.array_equal(ours[name], wanted[name]) for name in plain)
    assert shell.lineage("theirs.lowest-0.5.safetensors")["parent"]["path"] == "theirs.pth"
    found = shell("divergence theirs.lowest-0.5 --level network --dist ap2").records
    assert found[0]["value"] == shell("divergence a a.lowest-0.5 --level network --dist ap2").records[0]["value"]
    assert found[0]["dense"]["path"] == "theirs.pth"
    (described,) = shell("report theirs.pth --json").records
    assert described["path"] == "theirs.pth"
    assert described["parameters"] == shell("report a --json").records[0]["parameters"]
    assert shell("report --verify theirs.lowest-0.5.safetensors").code == 0


def test_another_member_goes_by_its_key_in_every_stage(shell: Any, pth: Path, plain: dict[str, np.ndarray]) -> None:
    key = "--weights-key state_dict_ema"
    shell.save("average.safetensors", {name: tensor.clip(0) for name, tensor in plain.items()})
    first, second = (shell(f"prune {name} --sparsity 0.5 {key}").lines[0] for name in ("theirs.pth", "average"))
    ours, wanted = shell.tensors(first), shell.tensors(second)
    assert all(np.array_equal(ours[name], wanted[name]) for name in plain)
    assert shell.lineage(first)["dense"]["key"] == "state_dict_ema"
    wanted = [record["value"] for record in shell(f"divergence average {second} --dist ap2").records]
    for command in (first, f"theirs.pth {first} {key}", f"{first} --dense theirs.pth {key}"):
        assert [record["value"] for record in shell(f"divergence {command} --dist ap2").records] == wanted
    (described,), (known,) = (shell(f"report {name} --json {key}").records for name in ("theirs.pth", "average"))
    assert described["kept"] == known["kept"] < described["parameters"]
    shell.refuses("prune theirs.pth --sparsity 0.5", 2, "was made with other settings")
    shell.refuses(f"prune theirs.pth --sparsity 0.6 {key}x", 2, "has state dicts in state_dict and state_dict_ema")


def test_published_weights_are_a_checkpoint_by_their_name(
    shell: Any, plain: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(shell.folder / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    place = shell.folder / "hub" / "models--me--net"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    shell.save(f"hub/models--me--net/snapshots/{'0' * 40}/model.safetensors", plain)
    assert shell("prune hf:me/net --sparsity 0.5").lines == ["net.lowest-0.5.safetensors"]
    assert shell("report hf:me/net --json").records[0]["path"] == "hf:me/net"
    for command in ("net.lowest-0.5", "hf:me/net net.lowest-0.5", "net.lowest-0.5 --dense hf:me/net"):
        found = shell(f"divergence {command} --level network --dist ap2").records
        assert found[0]["dense"]["path"] == "hf:me/net"
    shell.refuses("prune hf:me/other --sparsity 0.5", 1, "hf:me/other has no model.safetensors or")


def test_what_is_no_checkpoint_is_named_wherever_one_was_expected(shell: Any) -> None:
    for name in ("theirs.pth", "theirs.safetensors"):
        (shell.folder / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        for command in ("prune --sparsity 0.5", "divergence", "report", "finetune", "train fc5 --weights"):
            shell.refuses(f"{command} {name}", 1, f"{name} is a Git LFS pointer", "git lfs pull")


def test_pytorch_bytes_and_results_are_refused(shell: Any, pth: Path) -> None:
    shell.refuses("prune --sparsity 0.5", 2, "holds a PyTorch file", "as an argument", stdin=pth.read_bytes())
    shell.refuses("prune theirs.pth --sparsity 0.5 -o out.pth", 2, "--output out.pth", "expected .safetensors")


# ---- nothing, or the wrong thing


@pytest.mark.parametrize("command", ["prune --sparsity 0.3", "divergence", "report"])
@pytest.mark.parametrize("stdin", [b"", b"\n\n"])
def test_an_empty_pipe_is_an_error(shell: Any, command: str, stdin: bytes) -> None:
    shell.refuses(command, 2, "did the stage before this one fail?", stdin=stdin)


def test_no_stdin_at_all_is_an_error() -> None:
    with Streams(None, None, None) as streams:
        standard.begin(streams)
        for read in (checkpoints_in, records_in):
            with pytest.raises(UsageError, match="nothing to read: expected"):
                next(read([]))


@pytest.mark.parametrize("command", ["prune --sparsity 0.3", "divergence", "report"])
def test_nothing_is_awaited_from_a_keyboard(shell: Any, command: str) -> None:
    result = shell(command, b"this is read by nobody", terminal="stdin")
    shell.check_refusal(result, 2, "nothing to read: expected")


@pytest.mark.parametrize("command", ["prune --sparsity 0.3", "divergence"])
def test_records_where_a_checkpoint_was_expected_are_named(shell: Any, a: Path, command: str) -> None:
    records = shell("divergence a a").raw
    shell.refuses(command, 2, "records where a checkpoint was expected", "apcli report", stdin=records)
    (shell.folder / "records.jsonl").write_bytes(records)
    named = "records.jsonl holds records where a checkpoint was expected"
    shell.refuses(f"{command} records.jsonl", 2, named, "apcli report")


@pytest.mark.parametrize("stdin", [b"a.safetensors\n", b"a\n"])
def test_paths_where_records_were_expected_are_named(shell: Any, a: Path, stdin: bytes) -> None:
    shell.refuses("report -o report.html", 2, "where a record was expected", "apcli divergence", stdin=stdin)


def test_bytes_where_records_were_expected_are_named(shell: Any, a: Path) -> None:
    shell.refuses("report -o report.html", 2, "bytes where records were expected", stdin=a.read_bytes())


@pytest.mark.slow
def test_the_output_of_a_command_is_a_file(shell: Any, a: Path) -> None:
    """What bash gives for ``<(command)`` is a pipe with a name: bytes, paths or records."""
    shell("prune a --sparsity 0.5")
    pair = shell.bash("apcli divergence <(cat a.safetensors) <(cat a.lowest-0.5.safetensors) --dist ap2 --json")
    assert pair.code == 0, pair.err
    named = shell("divergence a a.lowest-0.5 --dist ap2")
    assert [record["value"] for record in pair.records] == [record["value"] for record in named.records]
    paths = shell.bash("apcli prune <(ls a.safetensors) --sparsity 0.3")
    assert paths.lines == ["a.lowest-0.3.safetensors"], paths.err
    page = shell.bash("apcli report <(apcli divergence a a.lowest-0.5 --dist ap2) -o page.html")
    assert page.lines == ["page.html"], page.err
    shell.check_refusal(shell.bash("apcli prune <(true) --sparsity 0.3"), 2, "is empty")


WRONG = {
    "prune": "",  # no amount
    "finetune": "--epochs -1",
    "divergence": "--level layers",
    "bounds": "--theory ap4",
    "behaviour": "--images -1",
    "export": "",  # no format
    "report": "--json --runs 1",
}


@pytest.mark.parametrize(("command", "wrong"), WRONG.items())
def test_a_file_that_is_not_there_is_told_before_any_option(shell: Any, a: Path, command: str, wrong: str) -> None:
    result = shell(f"{command} a.safetensors nowhere.safetensors {wrong}")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("apcli: error: no file nowhere.safetensors")
    assert "no file" not in shell(f"{command} a.safetensors {wrong}").err, "it is about the option, or fine"


@pytest.mark.parametrize("command", WRONG)
def test_a_folder_is_called_one(shell: Any, command: str) -> None:
    (shell.folder / "empty").mkdir()
    shell.refuses(f"{command} empty", 2, "error: empty is a folder: expected ")


@pytest.mark.parametrize("command", [name for name in WRONG if name != "report"])
def test_so_is_a_keyboard_where_a_pipe_is_expected(shell: Any, command: str) -> None:
    result = shell(f"{command} {WRONG[command]}", terminal="stdin")
    assert (result.code, result.complaints) == (
        2,
        ["apcli: error: nothing to read: expected a checkpoint; give its path as an argument, or pipe paths in"],
    )


def test_every_command_that_reads_checkpoints_is_among_them() -> None:
    reading = {
        name for name, one in COMMANDS.items() if {"checkpoints", "inputs"} & signature(imported(one)).parameters.keys()
    }
    assert reading == WRONG.keys()


def test_a_pipe_is_looked_at_and_nothing_is_taken_from_it() -> None:
    reading, writing = os.pipe()
    with open(reading) as stdin, open(writing, "w") as source, Streams(stdin, StringIO(), StringIO()) as streams:
        standard.begin(streams)
        assert (is_fed(), holds_more()) == (True, False)
        source.write("a\n")
        source.flush()
        assert (is_fed(), holds_more()) == (True, True)
        source.close()
        assert (is_fed(), holds_more()) == (False, True)
        assert stdin.read() == "a\n"
        assert (is_fed(), holds_more()) == (False, False)
    with Streams(StringIO("a\n"), StringIO(), StringIO()) as streams:
        standard.begin(streams)
        assert (is_fed(), holds_more()) == (False, False), "no pipe"


def test_two_files_are_one_pair_unless_a_dense_one_is_given() -> None:
    assert (count_pairs(["a", "b"], None), count_pairs(["a", "b"], "c"), count_pairs(["a"], None)) == (1, 2, 1)
    assert count_pairs([], None) is count_pairs(["a", "-", "b"], None) is None
