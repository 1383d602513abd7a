"""What goes out: paths, bytes and records to a pipe, tables to a terminal, in UTF-8 whatever the locale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def test_files_of_one_name_leave_as_bytes(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("one/a.safetensors", plain)
    shell.save("two/a.safetensors", {"only.weight": plain["fc1.weight"]})
    result = shell("prune one/a two/a -o - --sparsity 0.5")
    assert result.code == 0, result.err
    assert result.raw.count(b'"only.weight"') == 1


# ---- terminals


def test_bytes_are_not_written_to_a_terminal(shell: Any, a: Path) -> None:
    before = shell.snapshot()
    shell.check_refusal(shell("prune a -o - --sparsity 0.3", terminal="stdout"), 2, "--output - would write")
    assert shell.snapshot() == before


def test_paths_are_printed_on_a_terminal_too(shell: Any, a: Path) -> None:
    result = shell("prune a --sparsity 0.3,0.8", terminal="stdout")
    assert result.lines == ["a.lowest-0.3.safetensors", "a.lowest-0.8.safetensors"]


def test_divergence_is_a_table_on_a_terminal(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.8")
    command = "divergence a a.lowest-0.8 --dist ap2 --layers fc2"
    value = shell(command).records[0]["value"]
    shown = shell(command, terminal="stdout").out
    assert '"kind"' not in shown
    for word in ("layer", "dist", "value", "ap2", "fc2", "300", f"{value:.6g}"):
        assert word in shown
    assert shell(f"{command} --json", terminal="stdout").out == shell(command).out


@pytest.mark.parametrize("quiet", ["", " --quiet"])
def test_a_dry_run_is_a_table_on_a_terminal(shell: Any, a: Path, quiet: str) -> None:
    before = shell.snapshot()
    result = shell(f"prune a --sparsity 0.5 --scope global --dry-run{quiet}", terminal="stdout")
    assert result.code == 0
    assert shell.snapshot() == before
    for word in ("nothing is written", "a.lowest-0.5.safetensors", "to be written", "786", "1,572", "weights"):
        assert word in result.out
    assert ("fc1" in result.out) == (not quiet)


LONG = "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight"


@pytest.fixture
def long(shell: Any) -> Path:
    """``long.safetensors``, of four layers of long names, a third of whose weights are zero."""
    weight = np.arange(1, 3_001, dtype=np.float32).reshape(30, 100)
    weight[::3] = 0
    return shell.save("long.safetensors", {LONG.format(i): weight for i in range(4)})


COMMANDS = [
    ("report long", ["3,000", "1,000", "2,000", "0.3333", "12,000"]),
    ("prune long --sparsity 0.5,0.625 --dry-run", ["6,000", "7,500", "1,500", "1,875", "3,000"]),
    ("prune long --sparsity 0.5 --scope global --dry-run", ["6,000", "3,000"]),
    ("divergence long long --dist ap2", ["3000"]),
    ("list", ["--data", "--sched"]),
    ("list methods", ["lowest", "random"]),
    ("list distributions", ["student-t"]),
    ("list distributions student-t", ["df=4.0", "groups=0"]),
    ("env", ["torch", "numpy"]),
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "words"), COMMANDS)
def test_all_that_a_terminal_gets_fits_and_breaks_no_number(
    shell: Any, long: Path, command: str, words: list[str]
) -> None:
    for columns in (20, 21, 33, 40, 59, 60, 79, 80, 100, 120):
        result = shell(command, terminal="stdout", COLUMNS=str(columns))
        assert result.code == 0, result.err
        assert max(map(len, result.lines)) <= columns
        shown = [word.strip(",:") for word in result.out.split()]
        gone = result.out.partition("no room for")[2]
        assert [word for word in words if word not in shown and not gone] == []
        assert "long" not in command or all(f"layer_{i}" in result.out for i in range(4)), "no row is lost"


@pytest.mark.slow
@pytest.mark.parametrize("command", [*(command for command, _ in COMMANDS), "prune -h", "-h"])
def test_no_terminal_is_too_narrow(shell: Any, long: Path, command: str) -> None:
    lines = []
    for columns in (1, 2, 3, 5, 12, 120):
        result = shell(command, terminal="stdout", COLUMNS=str(columns))
        assert (result.code, result.err) == (0, "")
        lines.append(len(result.lines))
    assert lines == sorted(lines, reverse=True)
    assert lines[-1] > 0


def test_what_a_pipe_gets_does_not_depend_on_the_terminal(shell: Any, long: Path) -> None:
    for command in ("report long", "list", "list methods lowest"):
        assert shell(command, COLUMNS="20").out == shell(command, COLUMNS="200").out
    assert f"  {LONG.format(3)}  F32    30x100    3,000" in shell("report long", COLUMNS="20").out


# ---- whatever the locale


@pytest.fixture
def foreign(shell: Any, plain: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors, and a file ``größe Ж.safetensors`` of them, that Latin-1 can show in part and ASCII cannot."""
    tensors = {"größe.weight": plain["fc1.weight"], "Ж.weight": plain["fc2.weight"]}
    shell.save("größe Ж.safetensors", tensors)
    return tensors


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_the_product_is_utf_8_whatever_the_locale(shell: Any, foreign: dict[str, np.ndarray], encoding: str) -> None:
    paths = shell("prune 'größe Ж' --sparsity 0.5", encoding=encoding)
    assert paths.out == "größe Ж.lowest-0.5.safetensors\n"
    records = shell("divergence --dist ap2,gaussian", paths.raw, encoding=encoding)
    assert '"layer": "größe"' in records.out
    page = shell("report -o -", records.raw, encoding=encoding)
    described = shell("report 'größe Ж'", encoding=encoding)
    for result in (page, described):
        assert result.code == 0, result.err
        assert "größe" in result.out
        assert "Ж" in result.out


def test_a_table_on_a_terminal_of_another_encoding(shell: Any, foreign: dict[str, np.ndarray]) -> None:
    """What the terminal cannot show is escaped."""
    assert shell("prune 'größe Ж' --sparsity 0.5").code == 0
    command = "divergence 'größe Ж.lowest-0.5' --dist ap2"
    result = shell(command, terminal="stdout", encoding="ascii", COLUMNS="200")
    assert result.code == 0, result.err
    assert r"gr\xf6\xdfe" in result.out
    assert r"\u0416" in result.out
    assert "------" in result.out, "a rule of what the terminal can draw"


def test_a_path_on_a_terminal_is_shown_as_far_as_it_can(shell: Any, foreign: dict[str, np.ndarray]) -> None:
    result = shell("prune 'größe Ж' --sparsity 0.5 --quiet", terminal="stdout", encoding="ascii")
    assert (result.code, result.out) == (0, r"gr\xf6\xdfe \u0416.lowest-0.5.safetensors" + "\n")
