"""The program's entry point. Until the command line listens to signals itself, Ctrl-C just ends it: no traceback."""

import signal


def main() -> None:
    """Run this process's command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not one that is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from apcli.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
