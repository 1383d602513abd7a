"""What may come in on stdin and what goes out on stdout: paths, bytes and records, in real pipes."""

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NAMES = ["a.lowest-0.3.safetensors", "a.lowest-0.8.safetensors"]
PRUNE = "prune --sparsity 0.3,0.8"


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
    result = shell(f"{PRUNE} {arguments}", stdin.encode())
    assert result.code == 0
    assert result.lines == NAMES
    assert all((shell.folder / name).is_file() for name in NAMES)


def test_arguments_and_lines_are_taken_in_the_order_given(shell: Any, plain: dict[str, np.ndarray]) -> None:
    for name in ("a", "b", "c"):
        shell.save(f"{name}.safetensors", plain)
    result = shell("prune c - a --sparsity 0.5", b"b\n")
    assert result.lines == [f"{name}.lowest-0.5.safetensors" for name in ("c", "b", "a")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["with space.safetensors", "größe_größer.safetensors", "-dash.safetensors", "*.safetensors"]
)
def test_any_file_name_flows(shell: Any, plain: dict[str, np.ndarray], name: str) -> None:
    shell.save(f"sub folder/{name}", plain)
    result = shell.bash("find . -name '*.safetensors' | apcli prune --sparsity 0.5 | apcli divergence --dist ap2")
    assert result.code == 0, result.err
    pooled = [record["pruned"]["path"] for record in result.records if record["layer"] == "*"]
    assert pooled == [f"sub folder/{name.removesuffix('.safetensors')}.lowest-0.5.safetensors"]


def test_a_path_leaves_as_soon_as_its_file_is_whole(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("a.safetensors", plain)
    shell.save("b.safetensors", plain)
    pipe = subprocess.PIPE
    with shell.start(PRUNE, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        for name in ("a", "b"):
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
            for sparsity in ("0.3", "0.8"):
                line = process.stdout.readline().decode().strip()
                assert line == f"{name}.lowest-{sparsity}.safetensors"
                assert (shell.folder / line).is_file()
        assert process.poll() is None  # it waits for more
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0


def test_records_leave_as_soon_as_they_are_known(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3")
    pipe = subprocess.PIPE
    with shell.start("divergence", stdin=pipe, stdout=pipe) as process:
        process.stdin.write(b"a.lowest-0.3.safetensors\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b'{"kind": "divergence"')
        assert process.poll() is None
        process.stdin.close()
        process.stdout.read()
        assert process.wait(30) == 0


# ---- bytes


def test_bytes_in_and_out_are_the_file_version(shell: Any, a: Path) -> None:
    result = shell.bash("apcli prune - -o - --method highest --sparsity 0.3 <a.safetensors >b.safetensors")
    assert result.code == 0
    assert result.out == ""
    shell("prune a --method highest --sparsity 0.3")
    through, direct = shell.tensors("b.safetensors"), shell.tensors("a.highest-0.3.safetensors")
    assert through.keys() == direct.keys()
    assert all(np.array_equal(through[name], direct[name]) for name in direct)
    assert {path.name for path in shell.folder.iterdir()} == {
        "a.safetensors", "b.safetensors", "a.highest-0.3.safetensors"
    }  # fmt: skip


@pytest.mark.slow
def test_bytes_of_a_named_file_know_their_dense_file(shell: Any, a: Path) -> None:
    result = shell.bash("apcli prune a -o - --sparsity 0.3 >b.safetensors && apcli divergence b --dist ap2")
    assert result.code == 0, result.err
    assert result.records[0]["dense"]["path"] == "a.safetensors"


def test_several_checkpoints_travel_back_to_back(shell: Any, plain: dict[str, np.ndarray]) -> None:
    one = shell.save("one.safetensors", plain).read_bytes()
    two = shell.save("two.safetensors", {"only.weight": plain["fc1.weight"]}).read_bytes()
    both = shell("prune -o - --sparsity 0.5", one + two)
    assert both.code == 0, both.err
    assert both.raw == shell("prune -o - --sparsity 0.5", one).raw + shell("prune -o - --sparsity 0.5", two).raw


def test_files_of_one_name_leave_as_bytes(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("one/a.safetensors", plain)
    shell.save("two/a.safetensors", {"only.weight": plain["fc1.weight"]})
    result = shell("prune one/a two/a -o - --sparsity 0.5")
    assert result.code == 0, result.err
    assert result.raw.count(b'"only.weight"') == 1


@pytest.mark.slow
def test_bytes_flow_through_several_stages(shell: Any, a: Path) -> None:
    result = shell.bash(
        "apcli prune a -o - --layers fc1 --sparsity .3 | apcli prune - -o - --layers fc2 --sparsity .9 >b.safetensors"
    )
    assert result.code == 0, result.err
    zeros = {name: int((tensor == 0).sum()) for name, tensor in shell.tensors("b.safetensors").items()}
    assert zeros == {"conv.weight": 0, "fc1.weight": 360, "fc2.weight": 270, "fc1.bias": 0, "steps": 0}
    promised = shell.lineage("b.safetensors")["pruned"]
    assert {name: promise["zeros"] for name, promise in promised.items()} == {"fc1.weight": 360, "fc2.weight": 270}


def test_bytes_without_a_name_are_called_stdin(shell: Any, a: Path) -> None:
    result = shell("prune --sparsity 0.5", a.read_bytes())
    assert result.lines == ["stdin.lowest-0.5.safetensors"]
    assert shell.lineage(result.lines[0])["dense"]["path"] is None


@pytest.mark.slow
def test_a_file_and_bytes_are_a_pair(shell: Any, a: Path) -> None:
    result = shell.bash("apcli prune a -o - --sparsity 0.3 | apcli divergence a - --dist ap2 --layers fc2")
    shell("prune a --sparsity 0.3")
    named = shell("divergence a a.lowest-0.3 --dist ap2 --layers fc2")
    assert result.records[0]["value"] == named.records[0]["value"] > 0


@pytest.mark.parametrize("cut", [4, 60, -1])
def test_bytes_cut_short_are_refused(shell: Any, a: Path, cut: int) -> None:
    shell.refuses("prune --sparsity 0.3", 1, "standard input", "safetensors", stdin=a.read_bytes()[:cut])


def test_bytes_of_something_else_are_refused(shell: Any) -> None:
    shell.refuses("prune --sparsity 0.3", 1, "standard input", stdin=bytes(range(256)))


# ---- nothing, or the wrong thing, in the pipe


@pytest.mark.parametrize("command", ["prune --sparsity 0.3", "divergence", "report"])
@pytest.mark.parametrize("stdin", [b"", b"\n\n"])
def test_an_empty_pipe_is_an_error(shell: Any, command: str, stdin: bytes) -> None:
    shell.refuses(command, 2, "did the stage before this one fail?", stdin=stdin)


@pytest.mark.slow
def test_a_failed_stage_is_seen_without_pipefail(shell: Any) -> None:
    result = shell.bash("set +o pipefail; apcli prune missing --sparsity 0.3 2>first | apcli divergence")
    assert "no file missing" in (shell.folder / "first").read_text()
    shell.check_refusal(result, 2, "standard input is empty")


def test_a_closed_stdin_is_an_error(shell: Any) -> None:
    shell.check_refusal(shell.bash("apcli prune --sparsity 0.3 <&-"), 2, "nothing to read")


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


# ---- terminals


@pytest.mark.slow
@pytest.mark.parametrize("command", ["prune --sparsity 0.3", "divergence", "report"])
def test_nothing_is_awaited_from_a_keyboard(shell: Any, terminal: Any, command: str) -> None:
    process = shell.start(command, stdin=terminal.slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=30)  # a hang fails here
    terminal.hand_over()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"apcli: error: nothing to read")
    assert err.count(b"\n") == 1


def test_bytes_are_not_written_to_a_terminal(shell: Any, a: Path, terminal: Any) -> None:
    before = shell.snapshot()
    process = shell.start("prune a -o - --sparsity 0.3", stdout=terminal.slave, stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=30)
    terminal.hand_over()
    assert process.returncode == 2
    assert err.startswith(b"apcli: error: --output - would write")
    assert terminal.until(None) == ""
    assert shell.snapshot() == before


def test_paths_are_printed_on_a_terminal_too(shell: Any, a: Path, terminal: Any) -> None:
    process = shell.start(PRUNE + " a", stdout=terminal.slave, stderr=subprocess.PIPE)
    process.communicate(timeout=30)
    terminal.hand_over()
    assert terminal.until(None).split() == NAMES


def test_divergence_is_a_table_on_a_terminal(shell: Any, a: Path, terminal: Any) -> None:
    shell(PRUNE + " a")
    process = shell.start("divergence a a.lowest-0.8 --dist ap2 --layers fc2", stdout=terminal.slave)
    assert process.wait(30) == 0
    terminal.hand_over()
    shown = terminal.until(None)
    value = shell("divergence a a.lowest-0.8 --dist ap2 --layers fc2").records[0]["value"]
    assert '"kind"' not in shown
    for word in ("layer", "dist", "value", "ap2", "fc2", "300", f"{value:.6g}"):
        assert word in shown


@pytest.mark.parametrize("quiet", ["", " --quiet"])
def test_a_dry_run_is_a_table_on_a_terminal(shell: Any, a: Path, terminal: Any, quiet: str) -> None:
    before = shell.snapshot()
    process = shell.start(f"prune a --sparsity 0.5 --scope global --dry-run{quiet}", stdout=terminal.slave)
    assert process.wait(30) == 0
    terminal.hand_over()
    shown = terminal.until(None)
    assert shell.snapshot() == before
    for word in ("nothing is written", "a.lowest-0.5.safetensors", "to be written", "786", "1572", "weights"):
        assert word in shown
    assert ("fc1" in shown) == (not quiet)


def test_json_forces_records_on_a_terminal(shell: Any, a: Path, terminal: Any) -> None:
    command = "divergence a a --dist ap2 --json"
    process = shell.start(command, stdout=terminal.slave)
    assert process.wait(30) == 0
    terminal.hand_over()
    assert terminal.until(None).split() == shell(command).out.split()


def test_a_terminal_is_asked_for_nothing_but_stdout(shell: Any, a: Path) -> None:
    """With stderr in a pipe there is no progress, and no escape sequence anywhere."""
    result = shell("prune a --sparsity 0.3")
    assert "\x1b" not in result.out + result.err


# ---- stderr


def test_quiet_silences_all_but_errors(shell: Any, a: Path) -> None:
    assert shell("prune a --sparsity 0.3").err != ""
    again = shell("prune a --sparsity 0.3,0.5 -q")
    assert (again.code, again.err) == (0, "")
    assert again.lines == ["a.lowest-0.3.safetensors", "a.lowest-0.5.safetensors"]
    shell.refuses("prune a --sparsity 2 --quiet", 2, "--sparsity")


def test_debug_adds_the_traceback(shell: Any) -> None:
    result = shell("prune missing --sparsity 0.3", APCLI_DEBUG="1")
    assert result.code == 2
    assert "Traceback" in result.err
    assert result.complaints[-1].startswith("apcli: error: no file missing")


# ---- a reader that goes away


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["divergence a a --dist DISTS", "prune a --sparsity SPARSITIES", "prune a -o - --sparsity SPARSITIES"]
)
def test_a_closed_downstream_ends_quietly(shell: Any, a: Path, command: str) -> None:
    dists = ",".join(f"gaussian:scale={i}" for i in range(1, 100))  # more than a pipe holds
    command = command.replace("DISTS", dists).replace("SPARSITIES", ",".join(f"{i / 100}" for i in range(1, 60)))
    process = shell.start(f"{command} -q", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(30), err) == (0, b"")
    process.stderr.close()
    assert not list(shell.folder.glob(".*"))
    assert shell.leftovers() == []


def test_head_ends_a_pipeline_quietly(shell: Any, a: Path) -> None:
    dists = ",".join(f"gaussian:scale={i}" for i in range(1, 100))
    result = shell.bash(f"apcli divergence a a --dist {dists} | head -1")
    assert (result.code, result.err) == (0, "")
    assert len(result.records) == 1


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["divergence a a", "prune a -o - --sparsity 0.3 -q", "prune a --sparsity 0.3 -q"])
def test_a_full_device_on_stdout_is_an_error(shell: Any, a: Path, command: str) -> None:
    result = shell.bash(f"apcli {command} >/dev/full")
    shell.check_refusal(result, 1, "No space left on device")


# ---- whatever the locale


ENCODINGS = ["latin-1", "cp1252", "ascii", "utf-8"]


@pytest.fixture
def foreign(shell: Any, plain: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors, and a file ``größe Ж.safetensors`` of them, that Latin-1 can show in part and ASCII cannot."""
    tensors = {"größe.weight": plain["fc1.weight"], "Ж.weight": plain["fc2.weight"]}
    shell.save("größe Ж.safetensors", tensors)
    return tensors


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_product_is_utf_8_whatever_the_locale(shell: Any, foreign: dict[str, np.ndarray], encoding: str) -> None:
    there = {"PYTHONIOENCODING": encoding}
    script = (
        "apcli prune 'größe Ж' --sparsity 0.5 | tee paths | apcli divergence --dist ap2,gaussian | tee records"
        " | apcli report -o - && apcli report 'größe Ж'"
    )
    result = shell.bash(script, **there)
    assert result.code == 0, result.err
    assert (shell.folder / "paths").read_bytes().decode() == "größe Ж.lowest-0.5.safetensors\n"
    assert '"layer": "größe"' in (shell.folder / "records").read_bytes().decode()
    page, described = result.raw.decode().split("</html>")
    for text in (page, described):
        assert "größe" in text
        assert "Ж" in text


@pytest.mark.slow
def test_a_name_that_the_messages_cannot_show_is_escaped(shell: Any, foreign: dict[str, np.ndarray]) -> None:
    result = shell("prune 'größe Ж' --sparsity 0.5 --layers nothing", PYTHONIOENCODING="ascii")
    assert result.code == 2
    assert r"no such layer in gr\xf6\xdfe \u0416.safetensors" in result.err
    done = shell("prune 'größe Ж' --sparsity 0.5", PYTHONIOENCODING="ascii")
    assert done.code == 0
    assert r"\u0416.lowest-0.5.safetensors: 750 of 1500 weights" in done.err


@pytest.mark.slow
def test_a_table_on_a_terminal_of_another_encoding(shell: Any, foreign: dict[str, np.ndarray], terminal: Any) -> None:
    assert shell("prune 'größe Ж' --sparsity 0.5").code == 0
    process = shell.start(
        "divergence 'größe Ж.lowest-0.5' --dist ap2",
        stdin=subprocess.DEVNULL,
        stdout=terminal.slave,
        stderr=subprocess.PIPE,
        env={"PYTHONIOENCODING": "ascii", "COLUMNS": "200"},
    )
    terminal.hand_over()
    shown = terminal.until(None)
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert r"gr\xf6\xdfe" in shown
    assert r"\u0416" in shown
    assert shown.isascii()


def test_a_path_on_a_terminal_is_shown_as_far_as_it_can(
    shell: Any, foreign: dict[str, np.ndarray], terminal: Any
) -> None:
    process = shell.start(
        "prune 'größe Ж' --sparsity 0.5 --quiet",
        stdin=subprocess.DEVNULL,
        stdout=terminal.slave,
        stderr=subprocess.PIPE,
        env={"PYTHONIOENCODING": "ascii"},
    )
    terminal.hand_over()
    assert terminal.until(None).strip() == r"gr\xf6\xdfe \u0416.lowest-0.5.safetensors"
    assert process.wait(60) == 0
    process.stderr.close()


@pytest.mark.slow
def test_a_file_name_of_any_bytes_flows_through_pipes(shell: Any, plain: dict[str, np.ndarray]) -> None:
    """Names are bytes to the system: what is no UTF-8 leaves as it came, and is escaped in records."""
    made = shell.save("a.safetensors", plain)
    os.rename(made, os.fsencode(shell.folder) + b"/odd\xff.safetensors")
    paths = shell.bash("printf 'odd\\377.safetensors\\n' | apcli prune --sparsity 0.3,0.5")
    assert paths.code == 0, paths.err
    assert paths.raw == b"odd\xff.lowest-0.3.safetensors\nodd\xff.lowest-0.5.safetensors\n"
    records = shell("divergence --dist ap2", paths.raw)
    assert records.code == 0, records.err
    assert records.records[0]["pruned"]["path"] == r"odd\udcff.lowest-0.3.safetensors"
    page = shell("report -o -", records.raw)
    assert page.code == 0, page.err
    described = shell.bash("apcli report $'odd\\377.safetensors' && apcli report --json $'odd\\377.safetensors'")
    assert described.code == 0, described.err
    assert described.out.startswith(r"odd\udcff.safetensors")


def test_records_with_half_a_character_make_a_page(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.5")
    (shell.folder / "records").write_bytes(
        shell("divergence a.lowest-0.5 --dist ap2").raw.replace(b'"path": "a.', rb'"path": "\ud800a.')
    )
    assert b"ud800" in (shell.folder / "records").read_bytes()
    result = shell("report records -o page.html --format html,md,csv")
    assert result.code == 0, result.err
    assert (shell.folder / "page.html").read_bytes().decode()


@pytest.mark.parametrize("command", ["", "prune", "train"])
def test_help_needs_no_more_than_ascii(shell: Any, command: str) -> None:
    result = shell(f"{command} --help", PYTHONIOENCODING="ascii")
    assert result.code == 0
    assert "Usage: apcli" in result.out
