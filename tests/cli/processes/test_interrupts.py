"""Ctrl-C and SIGTERM: the exit code, one line, finished files kept and no others."""

import os
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


@SIGNALS
def test_while_a_stage_waits_for_more(shell: Any, a: Path, sent: int, code: int, word: str) -> None:
    """It says nothing: the stage that it waits for got the signal too, and does."""
    pipe = subprocess.PIPE
    with shell.start("prune --sparsity 0.3", stdin=pipe, stdout=pipe, stderr=pipe) as process:
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"a.lowest-0.3.safetensors\n"
        process.send_signal(sent)
        assert process.wait(30) == code
        assert word.encode() not in process.stderr.read()
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
    process = shell.start(
        "train fc5 --seeds 0,1 --epochs 2000 --eval-every 2000", stdout=subprocess.PIPE, stderr=terminal.slave
    )
    terminal.hand_over()
    terminal.until("/2000, loss ")  # which epoch is shown depends on the clock
    process.send_signal(sent)
    out, _ = process.communicate(timeout=30)
    shown = terminal.until(None)
    assert (process.returncode, out) == (code, b"")
    said = f"apcli: train {word} after 0 of 2: finished files are kept, run the same command again to resume"
    assert " ".join(shown.rpartition("\x1b[2K")[2].split()) == said, "the terminal is narrower than the message"
    assert "Traceback" not in shown
    assert [path.name for path in shell.folder.iterdir()] == ["fc5-digits.seed0.resume.pt"]


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.2])
def test_two_quick_signals_leave_no_traceback(shell: Any, terminal: Any, pause: float) -> None:
    process = shell.start("train fc5 --epochs 2000 --eval-every 2000", stdout=subprocess.PIPE, stderr=terminal.slave)
    terminal.hand_over()
    terminal.until("/2000, loss ")
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    shown = terminal.until(None)
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert shown.count("interrupted") == 1


def test_a_pipeline_is_interrupted_as_a_whole(shell: Any) -> None:
    """What Ctrl-C on a terminal does: the signal goes to every stage, and one speaks for all."""
    script = (
        "apcli train fc5 --seeds 0,1 --epochs 1 -o a | apcli prune --sparsity 0.3 "
        "| apcli finetune --epochs 2000 --eval-every 2000 --checkpoint-every 1 | apcli divergence --dist ap2"
    )
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=shell.folder,
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not list(shell.folder.glob("a/*.resume.pt")):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == b""
    assert b"Traceback" not in err
    assert err.count(b"interrupted") == 1
