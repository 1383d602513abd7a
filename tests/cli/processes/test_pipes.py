"""Stages in real pipes and on a real terminal: paths, bytes and records, and readers that go away."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apcli.records.json_objects import Record
from apcli.records.lines import load
from apcli.stages.report.runs.experiment import build


def read(path: Path) -> list[Record]:
    return list(load(path.read_text().splitlines(), path.name))


@pytest.mark.slow
def test_any_file_name_flows(shell: Any, plain: dict[str, np.ndarray]) -> None:
    names = ["with space", "größe_größer", "-dash", "*"]
    for name in names:
        shell.save(f"sub folder/{name}.safetensors", plain)
    result = shell.bash("find . -name '*.safetensors' | apcli prune --sparsity 0.5 | apcli divergence --dist ap2")
    assert result.code == 0, result.err
    pooled = [record["pruned"]["path"] for record in result.records if record["layer"] == "*"]
    assert sorted(pooled) == sorted(f"sub folder/{name}.lowest-0.5.safetensors" for name in names)


@pytest.mark.slow
def test_a_path_leaves_as_soon_as_its_file_is_whole(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("a.safetensors", plain)
    shell.save("b.safetensors", plain)
    pipe = subprocess.PIPE
    with shell.start("prune --sparsity 0.3,0.8", stdin=pipe, stdout=pipe, stderr=pipe) as process:
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_tee_feeds_two_record_stages_and_the_report_joins_them(shell: Any, a: Path) -> None:
    """Both files are whole when the pipeline ends, and the records say what the files did that are gone by then."""
    result = shell.bash(
        "apcli prune a --sparsity 0.3,0.8 | tee >(sleep 2; apcli report --json - > checkpoints.jsonl; :)"
        " | apcli divergence --dist ap2 > divergence.jsonl; rm *.safetensors"
    )
    assert (result.code, result.out) == (0, "")
    records = [record for name in ("checkpoints", "divergence") for record in read(shell.folder / f"{name}.jsonl")]
    (group,) = build(records).groups
    assert sorted(run.trials[0].checkpoint.sparsity for run in group.runs) == pytest.approx([0.3, 0.8], abs=1e-3)
    assert shell("report checkpoints.jsonl divergence.jsonl").lines == ["report.html"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_file_and_bytes_are_a_pair(shell: Any, a: Path) -> None:
    result = shell.bash("apcli prune a -o - --sparsity 0.3 | apcli divergence a - --dist ap2 --layers fc2")
    shell("prune a --sparsity 0.3")
    named = shell("divergence a a.lowest-0.3 --dist ap2 --layers fc2")
    assert result.records[0]["value"] == named.records[0]["value"] > 0


@pytest.mark.slow
def test_a_failed_stage_is_seen_without_pipefail(shell: Any) -> None:
    result = shell.bash("set +o pipefail; apcli prune missing --sparsity 0.3 2>first | apcli divergence")
    assert "no file missing" in (shell.folder / "first").read_text()
    shell.check_refusal(result, 2, "standard input is empty")


@pytest.mark.slow
def test_a_closed_stdin_is_an_error(shell: Any) -> None:
    shell.check_refusal(shell.bash("apcli prune --sparsity 0.3 <&-"), 2, "nothing to read")


@pytest.mark.slow
def test_nothing_is_awaited_from_a_keyboard(shell: Any, terminal: Any) -> None:
    process = shell.start("report", stdin=terminal.slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=30)  # a hang fails here
    terminal.hand_over()
    assert (process.returncode, out) == (2, b"")
    assert err.startswith(b"apcli: error: nothing to read")
    assert err.count(b"\n") == 1


@pytest.mark.slow
def test_divergence_is_a_table_on_a_terminal(shell: Any, a: Path, terminal: Any) -> None:
    shell("prune a --sparsity 0.8")
    options = "--dist ap2 --layers fc2 --level filter,layer"
    process = shell.start(f"divergence a a.lowest-0.8 {options}", stdout=terminal.slave)
    assert process.wait(30) == 0
    terminal.hand_over()
    shown = terminal.until(None)
    filters = shell(f"divergence a a.lowest-0.8 {options}").records
    value = filters.pop()["value"]
    assert '"kind"' not in shown
    for word in ("layer", "dist", "value", "ap2", " fc2 ", "300", f"{value:.6g}"):
        assert word in shown
    for word in (word for r in filters for word in (f" fc2[{r['filter']}] ", f" {r['value']:.6g} ")):
        assert word in shown


# ---- a reader that goes away


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["divergence a a --dist DISTS", "prune a --sparsity SPARSITIES", "prune a -o - --sparsity SPARSITIES"]
)
def test_a_closed_downstream_leaves_nothing_half_written(shell: Any, a: Path, command: str) -> None:
    dists = ",".join(f"gaussian:scale={i}" for i in range(1, 100))  # more than a pipe holds
    command = command.replace("DISTS", dists).replace("SPARSITIES", ",".join(f"{i / 100}" for i in range(1, 60)))
    process = shell.start(f"{command} -q", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1)
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(30), err) == (141, b"")
    process.stderr.close()
    assert not list(shell.folder.glob(".*"))
    assert shell.leftovers() == []


@pytest.mark.slow
def test_a_closed_pipe_is_said_where_results_are_missing(shell: Any, a: Path) -> None:
    sparsities = ",".join(f"{i / 100}" for i in range(1, 60))
    result = shell.bash(f"apcli prune a --sparsity {sparsities} | read first")
    assert result.code == 141
    last = result.complaints[-1]
    assert re.fullmatch(
        r"apcli: prune stopped, as standard output was closed, after \d+ of 59: finished files are kept, run the same "
        r"command again to resume",
        last,
    ), last


@pytest.mark.slow
def test_head_ends_a_pipeline(shell: Any, a: Path) -> None:
    dists = ",".join(f"gaussian:scale={i}" for i in range(1, 100))
    result = shell.bash(f"apcli divergence a a --dist {dists} | head -1")
    assert result.code == 141, "as of any program that a closed pipe ends"
    assert len(result.complaints) == 1
    assert len(result.records) == 1


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["divergence a a", "prune a -o - --sparsity 0.3 -q", "prune a --sparsity 0.3 -q"])
def test_a_full_device_on_stdout_is_an_error(shell: Any, a: Path, command: str) -> None:
    result = shell.bash(f"apcli {command} >/dev/full")
    shell.check_refusal(result, 1, "No space left on device")


# ---- whatever the locale


@pytest.mark.slow
def test_the_product_is_utf_8_where_the_locale_is_not(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("größe Ж.safetensors", {"größe.weight": plain["fc1.weight"], "Ж.weight": plain["fc2.weight"]})
    there = {"PYTHONIOENCODING": "ascii"}
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


@pytest.mark.slow
@pytest.mark.parametrize("command", ["env", "prune a --sparsity 0.5 --dry-run", "prune a --sparsity 0.5"])
def test_nothing_is_left_on_a_terminal(shell: Any, a: Path, terminal: Any, command: str) -> None:
    process = shell.start(command, stdout=terminal.slave, stderr=terminal.slave)
    terminal.hand_over()
    shown = terminal.until(None)
    assert process.wait(60) == 0
    assert shown.rpartition("\x1b[2K")[2] in ("", shown) or shown.endswith("\n"), "the live line is cleared"
    assert not shown.rstrip(" ").endswith("starting")


@pytest.mark.slow
def test_train_says_once_that_it_reads_no_paths(shell: Any, plain: dict[str, np.ndarray]) -> None:
    """Those that are there at once, and those that come later; a pipe that brings none is nothing to speak of."""
    command, words = "apcli train fc5 --epochs 0 -o out/", "standard input is not read: train starts from a file that"
    for feed, times in (("echo a", 1), ("sleep 0", 0), ("cat", 0)):
        result = shell.bash(f"{feed} | {command} && cat > /dev/null")
        assert result.lines == ["out/fc5-digits.safetensors"], result.err
        assert result.err.count(words) == times, result.err
    with shell.start("train fc5 --epochs 0 -o new/", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stderr.readline()  # what the network takes: it has begun
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stderr.read().decode().count(words) == 1
