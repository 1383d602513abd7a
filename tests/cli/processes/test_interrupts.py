"""Ctrl-C and SIGTERM: the exit code, one line, finished files kept and no others."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each waits for a process of its own

pytestmark = pytest.mark.long  # whole runs that are interrupted

SIGNALS = pytest.mark.parametrize(
    ("sent", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|9[0-7])(?:;[0-9]+)*m")


@SIGNALS
def test_while_a_stage_waits_for_more(shell: Any, a: Path, sent: int, code: int, word: str) -> None:
    pipe = subprocess.PIPE
    with shell.start("prune -q --sparsity 0.3", stdin=pipe, stdout=pipe, stderr=pipe) as process:
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"a.lowest-0.3.safetensors\n"
        process.send_signal(sent)
        assert process.wait(30) == code
        assert process.stderr.read().startswith(f"apcli: error: {word}".encode())
    assert {path.name for path in shell.folder.iterdir()} == {"a.safetensors", "a.lowest-0.3.safetensors"}


@SIGNALS
def test_while_bytes_come_in(shell: Any, a: Path, sent: int, code: int, word: str) -> None:
    pipe = subprocess.PIPE
    with shell.start("prune -o - --sparsity 0.3", stdin=pipe, stdout=pipe, stderr=pipe) as process:
        whole = a.read_bytes()
        process.stdin.write(whole + whole[:-100])
        process.stdin.flush()
        assert process.stdout.read(len(whole))
        process.send_signal(sent)
        assert process.wait(30) == code
    assert shell.leftovers() == []


@SIGNALS
def test_while_a_network_trains(shell: Any, terminal: Any, sent: int, code: int, word: str) -> None:
    """stderr is a terminal here: its line of progress says when the training is under way."""
    quiet_colours = {"NO_COLOR": "1"} if sent == signal.SIGTERM else {}
    process = shell.start(
        "train fc5 --seeds 0,1 --epochs 2000 --eval-every 2000",
        stdout=subprocess.PIPE,
        stderr=terminal.slave,
        env=quiet_colours,
    )
    terminal.hand_over()
    terminal.until("/2000")  # which epoch is shown depends on the clock
    process.send_signal(sent)
    out, _ = process.communicate(timeout=30)
    shown = terminal.until(None)
    assert (process.returncode, out) == (code, b"")
    assert f"apcli: error: {word}" in shown
    assert "Traceback" not in shown
    assert [path.name for path in shell.folder.iterdir()] == ["fc5-digits.seed0.resume.pt"]
    assert bool(COLOUR.search(shown)) == (not quiet_colours)


def test_a_pipeline_is_interrupted_as_a_whole(shell: Any, a: Path) -> None:
    """What Ctrl-C on a terminal does: the signal goes to every stage."""
    script = "apcli prune -q --sparsity 0.3 | apcli divergence --dist ap2 >records"
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=shell.folder,
        env=shell.environment,
        stdin=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    process.stdin.write(b"a\n")
    process.stdin.flush()
    records = shell.folder / "records"
    while not (records.exists() and records.stat().st_size):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert b"Traceback" not in err
    assert err.count(b"apcli: error: interrupted") == 2
    assert {path.name for path in shell.folder.iterdir()} == {"a.safetensors", "a.lowest-0.3.safetensors", "records"}
