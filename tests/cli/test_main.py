"""The ``apcli`` command: light help, the words of the command line, errors in one line with their exit codes."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from apcli import __version__
from apcli.cli.main import COMMANDS as ALL
from apcli.cli.main import Signals, Stopped, app_of, explain, needed
from apcli.errors import ApcliError, UsageError, VerificationError

ROOT = Path(__file__).parents[2]
COMMANDS = ("train", "prune", "finetune", "divergence", "bounds", "behaviour", "report", "export")
HEAVY = ("torch", "torchvision", "timm", "numpy", "scipy", "safetensors", "matplotlib", "rich", "pyro")
WATCH = f"""
import sys
from io import BytesIO, TextIOWrapper
from apcli.cli.main import run
from apcli.cli.streams.standard import Streams
for line in sys.stdin:
    with Streams(None, TextIOWrapper(BytesIO()), TextIOWrapper(BytesIO())) as streams:
        code = run(line.split(), streams)
    print(code, line.strip(), *[name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.mark.slow
def test_help_and_wrong_options_load_nothing_heavy() -> None:
    """One interpreter for all of them: what one loads is named after it, and after all that follow."""
    helps = ["--help", "-h", "--version", *(f"{command} --help" for command in COMMANDS)]
    refused = ["", "train fc5 --epochs few"]
    words = [sys.executable, "-c", WATCH]
    text = "\n".join(helps + refused)
    done = subprocess.run(words, input=text, capture_output=True, text=True, cwd=ROOT, timeout=60, check=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == [
        *(f"0 {line}" for line in helps),
        *(f"2 {line}".rstrip() for line in refused),
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_the_command_and_every_option(shell: Any, command: str) -> None:
    result = shell(f"{command} -h")
    assert (result.code, result.err) == (0, "")
    assert result.out == shell(f"{command} --help").out
    assert f"apcli {command}" in result.out
    assert command in shell("--help").out
    assert "--output" in result.out or command in ("divergence", "bounds", "behaviour")
    assert "--quiet" in result.out


@pytest.mark.parametrize("command", ["", "prune", "train"])
def test_help_needs_no_more_than_ascii(shell: Any, command: str) -> None:
    result = shell(f"{command} --help", encoding="ascii")
    assert result.code == 0, result.err
    assert "Usage: apcli" in result.out


def test_version_is_the_packages(shell: Any) -> None:
    assert shell("--version").out == f"apcli {__version__}\n"


def test_no_command_prints_the_help(shell: Any) -> None:
    result = shell("")
    assert result.code == 2
    assert "divergence" in result.err
    assert result.out == ""


def test_options_are_accepted_in_snake_case(shell: Any) -> None:
    shell.refuses("train fc5 --data_dir x --weight_decay 0 --no_pretrained --batch_size=0", 2, "--batch-size is 0")


def test_words_that_are_no_options_keep_their_underscores(shell: Any, a: Path) -> None:
    a.rename(shell.folder / "my_model.safetensors")
    result = shell("prune my_model --sparsity 0.3 -o out_here")
    assert result.lines == ["out_here/my_model.lowest-0.3.safetensors"]


# ---- the commands that are imported


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("prune a --sparsity 0.5", ["prune"]),
        ("-- prune", ["prune"]),
        ("train train", ["train"]),
        ("", ALL),
        ("--help", ALL),
        ("prnue train", ALL),
        ("prune_", ALL),
    ],
)
def test_the_command_that_is_named_is_the_only_one_that_is_needed(line: str, names: Any) -> None:
    assert needed(line.split()) == list(names)


def test_for_a_completion_the_shells_words_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_APCLI_COMPLETE", "complete_bash")
    assert needed([]) == list(ALL)
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "apcli export --fo")
    assert needed([]) == ["export"]
    monkeypatch.setenv("COMP_WORDS", "apcli tr")
    assert needed([]) == list(ALL)
    begins = [(one, other) for one in ALL for other in ALL if one != other and other.startswith(one)]
    assert begins == [], "of two such names, a shell would be told the shorter one only"


def test_the_program_has_the_commands_that_it_is_made_of() -> None:
    some: Any = typer.main.get_command(app_of(["list", "env"]))
    every: Any = typer.main.get_command(app_of())
    assert list(some.commands) == ["list", "env"]
    assert list(every.commands) == list(ALL)


@pytest.mark.slow
def test_a_command_imports_no_other() -> None:
    modules = [target.partition(":")[0] for target in ALL.values()]
    stages = "[name for name in sys.modules if name.startswith('apcli.stages')]"
    watched = f"*[name for name in {modules!r} if name in sys.modules], {stages}"
    words = [sys.executable, "-c", f"{WATCH}print({watched})"]
    done = subprocess.run(words, input="prune --help", capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "apcli.cli.prune []"


# ---- errors


@pytest.mark.parametrize(
    ("error", "sentence", "code"),
    [
        (ApcliError("a failed"), "a failed", 1),
        (UsageError("b is wrong"), "b is wrong", 2),
        (VerificationError("c lost a zero"), "c lost a zero", 3),
        (MemoryError(), "out of memory: choose a smaller --batch-size, or another --device", 1),
        (ValueError("\nfirst\nsecond"), "ValueError: first (APCLI_DEBUG=1 shows where)", 1),
        (KeyError(), "KeyError: no message (APCLI_DEBUG=1 shows where)", 1),
        (typer.BadParameter("no number"), "Invalid value: no number (see apcli --help)", 2),
    ],
)
def test_an_error_has_a_sentence_and_a_code(error: Exception, sentence: str, code: int) -> None:
    assert explain(error, []) == (sentence, code)


def test_a_wrong_value_is_said_with_what_was_given(shell: Any) -> None:
    """Typer leaves it out."""
    shell.refuses("train fc5 --epochs few", 2, "--epochs is 'few': expected a whole number (see apcli train --help)")


def test_debug_adds_the_traceback(shell: Any) -> None:
    result = shell("prune missing --sparsity 0.3", APCLI_DEBUG="1")
    assert result.code == 2
    assert "Traceback" in result.err
    assert result.complaints[-1].startswith("apcli: error: no file missing")


def test_a_signal_stops_the_run_until_it_is_settled() -> None:
    signals = Signals()
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    try:
        signals.listen()
        assert signals.received is None
        for sent in (signal.SIGTERM, signal.SIGINT):
            with pytest.raises(Stopped):
                os.kill(os.getpid(), sent)
            assert signals.received == signal.SIGTERM, "the first counts"
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= signals.again, "it would be raised again"
        signals.settle()
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in before.items():
            signal.signal(signum, handler)


@pytest.mark.parametrize(
    ("number", "path", "words"),
    [
        (errno.ENOSPC, None, "cannot write standard output: No space left on device: free space"),
        (errno.ENAMETOOLONG, "x" * 300, f"cannot write {'x' * 100}...: File name too long: choose a shorter name"),
        (errno.EACCES, "there/a.safetensors", "cannot write there/a.safetensors: Permission denied: choose another"),
    ],
)
def test_what_the_system_refuses_has_a_remedy(number: int, path: str | None, words: str) -> None:
    sentence, code = explain(OSError(number, os.strerror(number), path), [])
    assert sentence.startswith(words)
    assert code == 1
