"""The ``apcli`` command: its subcommands and the handling of errors."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Annotated, Any

import typer

from apcli import __version__
from apcli.cli.options.help import Command, Commands, short_help_of
from apcli.cli.options.mistakes import usage_sentence
from apcli.cli.streams import standard, stdin, stdout, terminal
from apcli.cli.streams.standard import Streams
from apcli.errors import ApcliError, UsageError, is_out_of_memory
from apcli.registry.tables import imported

COMMANDS = {
    "train": "apcli.cli.train:train",
    "prune": "apcli.cli.prune:prune",
    "finetune": "apcli.cli.finetune:finetune",
    "divergence": "apcli.cli.divergence:divergence",
    "bounds": "apcli.cli.bounds:bounds",
    "behaviour": "apcli.cli.behaviour:behaviour",
    "report": "apcli.cli.report:report",
    "export": "apcli.cli.export:export",
    "list": "apcli.cli.listing:list_",
    "env": "apcli.cli.environment:env",
}


def app_of(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The program with these of its commands, which are imported here."""
    app = typer.Typer(
        name="apcli",
        cls=Commands,
        add_completion=True,
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help: rich's costs as much as everything else together
        pretty_exceptions_enable=False,
        context_settings={
            "help_option_names": ["-h", "--help"],
            "token_normalize_func": lambda word: word.replace("_", "-"),
        },
    )
    app.callback()(about)
    for name in names:
        command = imported(COMMANDS[name])
        app.command(name, cls=Command, no_args_is_help=False, short_help=short_help_of(command))(command)
    return app


def needed(arguments: list[str]) -> list[str]:
    """The command that a command line names, or that the shell completes; all, for their list, if it is none of them.

    Importing all of them takes as long as Typer itself.
    """
    if _COMPLETE in os.environ:
        words = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
        arguments = words.split()[1:]
    first = next((word for word in arguments if not word.startswith("-")), "")
    return [first] if first in COMMANDS else list(COMMANDS)


def _version(wanted: bool) -> None:
    if wanted:
        stdout.emit_line(f"apcli {__version__}")
        raise typer.Exit()


def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Explain what pruning does to a neural network.

    Stages form a pipeline: each prints the paths of the checkpoints it made, and reads paths on standard input.

    \b
      apcli train resnet20 --data digits --epochs 30 \\
        | apcli prune --method lowest,highest,random --sparsity 0.1,0.3,0.5,0.8 \\
        | apcli finetune --epochs 5 \\
        | apcli divergence \\
        | apcli report -o report.html
    """


class Stopped(BaseException):
    """A signal to end, turned into an exception so that temporary files are removed on the way out."""


class Signals:
    """``listen``: SIGINT and SIGTERM end the run by ``Stopped``. ``received``: the first of them, for the exit code.

    Attributes:
        is_told_by_another: whether a stage before this one was still writing at that moment: it got the signal too,
            and one word for the whole pipeline is enough.
    """

    again = 2.0  # seconds: Python drops an exception raised while a destructor runs, so it is raised again

    def __init__(self) -> None:
        self.received: int | None = None
        self.is_told_by_another = False
        self._ends = False

    def listen(self) -> None:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._stop)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signum
            self.is_told_by_another = stdin.is_fed()
        if self._ends:
            return
        signal.signal(signal.SIGALRM, self._stop)
        signal.setitimer(signal.ITIMER_REAL, self.again)
        raise Stopped

    def settle(self) -> None:
        """Let the run end: raise ``Stopped`` no more."""
        self._ends = True
        if self.received:
            signal.setitimer(signal.ITIMER_REAL, 0)


_COMPLETE = "_APCLI_COMPLETE"  # the variable by which a shell asks for a completion
_SHOWN = 100  # most characters of a path that a message repeats
_REMEDIES = {
    errno.ENOSPC: "free space, or choose another place with --output",
    errno.EDQUOT: "free space, or choose another place with --output",
    errno.EROFS: "choose another place with --output",
    errno.EACCES: "choose another place with --output",
    errno.ENAMETOOLONG: "choose a shorter name with --output",
}
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}

# Typer exports the usage errors it raises only by their subclasses.
_TyperUsageError: type[Exception] = typer.BadParameter.__base__  # type: ignore[assignment]


def main() -> None:
    """Run this process's command line and exit."""
    signals = Signals()
    signals.listen()
    code = run(sys.argv[1:], standard.of_process(), signals)
    for signum in _WORDS:  # another Ctrl-C has nothing left to stop
        signal.signal(signum, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: list[str], streams: Streams, signals: Signals | None = None) -> int:
    """Run a command line on ``streams``; every failure becomes one line on stderr and the right exit code.

    What that changes in the process is put back at the end of the streams' ``with`` block.
    """
    signals = signals or Signals()
    standard.begin(streams)
    try:
        code = _code_of(arguments, signals)
        signals.settle()
    except Stopped:  # a second signal, between two statements
        signals.settle()
        code = 1
    terminal.close()
    if signals.received is None:
        return code
    if not signals.is_told_by_another:
        terminal.say_end(_WORDS[signal.Signals(signals.received)])
    return 128 + signals.received


def _code_of(arguments: list[str], signals: Signals) -> int:
    """Run a command line; the exit code, after saying what went wrong."""
    try:
        return int(app_of(needed(arguments))(arguments, prog_name="apcli", standalone_mode=False) or 0)
    except Stopped:
        return 1
    except stdout.ClosedPipe:
        terminal.say_end("stopped, as standard output was closed,")
        return 128 + signal.SIGPIPE
    except Exception as error:
        if os.environ.get("APCLI_DEBUG") == "1":
            traceback.print_exc()
        sentence, code = explain(error, arguments)
        everywhere = code == UsageError.exit_code and getattr(error, "everywhere", True)
        repeated = everywhere and not terminal.is_first()  # the first process prints the same
        if sentence and not signals.received and not repeated:  # a file closed half-way by a signal raises an error
            terminal.say_error(sentence)
        return code


def explain(error: Exception, arguments: list[str]) -> tuple[str, int]:
    """The sentence and the exit code for an error; the sentence is empty if the help was already printed."""
    if isinstance(error, ApcliError):
        return str(error), error.exit_code
    if isinstance(error, _TyperUsageError):
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(error.format_message(), err=True)  # type: ignore[attr-defined]
            return "", 2
        return f"{usage_sentence(error, arguments, commands)} (see {_command_path(error)} --help)", 2
    if is_out_of_memory(error):
        return "out of memory: choose a smaller --batch-size, or another --device", 1
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        where = "standard output" if error.filename is None else str(error.filename)
        shown = where if len(where) <= _SHOWN else f"{where[:_SHOWN]}..."
        return f"cannot write {shown}: {error.strerror}: {_REMEDIES[error.errno]}", 1
    first = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{type(error).__name__}: {first} (APCLI_DEBUG=1 shows where)", 1


def commands() -> dict[str, Any]:
    """All commands as Typer knows them, by name."""
    found: dict[str, Any] = typer.main.get_command(app_of()).commands  # type: ignore[attr-defined]
    return found


def _command_path(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "apcli"
