"""The README's commands run, and print what it says they print.

A fenced ``sh`` block after a line ``<!-- test -->`` runs in a folder of its own; a ``text`` block that follows it,
after a line ``<!-- output -->``, is all that it prints on stdout.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long  # runs the whole pipelines of the README

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"^<!-- test -->\n```sh\n(?P<commands>.*?)^```\n(?:\s*<!-- output -->\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
BLOCKS = list(BLOCK.finditer((ROOT / "README.md").read_text()))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """PATH with the console script, or without an installed one, with a script that does the same."""
    script = Path(sys.executable).with_name("apcli")
    if not script.is_file():
        script = tmp_path_factory.mktemp("bin") / "apcli"
        command = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m apcli"
        script.write_text(f'#!/bin/sh\n{command} "$@"\n')
        script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def test_every_marked_block_is_found() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(BLOCKS) == text.count("<!-- test -->") > 0
    assert sum(block["output"] is not None for block in BLOCKS) == text.count("<!-- output -->")


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block["commands"].split("\n")[0][:40])
def test_the_block_runs_and_prints_what_it_says(block: re.Match[str], path: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", block["commands"]],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},  # the tests run side by side
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if block["output"] is not None:
        assert done.stdout.rstrip() == block["output"].rstrip()
