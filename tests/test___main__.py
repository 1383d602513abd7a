"""``python -m apcli`` is the command."""

import subprocess
import sys
from pathlib import Path

from apcli import __version__


def test_the_module_runs_as_the_command_does():
    words = [sys.executable, "-m", "apcli", "--version"]
    run = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[1], timeout=60, check=True)
    assert (run.stdout, run.stderr) == (f"apcli {__version__}\n", "")
