"""The numbered examples: each is short, says what it shows, and runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from apcli.stages.report.inputs import is_carrier

FOLDER = Path(__file__).parents[1] / "examples"
HEAD = ["Shows", "Time", "Expect", "usage"]
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]-*"))


def test_they_are_numbered_and_listed_in_order() -> None:
    listed = re.findall(r"^\| \[(\d\d-[^\]]+)\]", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert [script.name for script in SCRIPTS] == listed
    assert [int(name[:2]) for name in listed] == list(range(1, len(listed) + 1))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_it_is_short_and_says_what_it_shows(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert len(lines) <= 40
    words = [line.lstrip("# ").partition(":")[0] for line in lines]
    assert [word for word in words if word in HEAD] == HEAD


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_it_runs_at_a_small_scale(script: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    program = "bash" if script.suffix == ".sh" else sys.executable
    done = subprocess.run(
        [program, str(script), str(tmp_path / "made")],
        env={**environment, "EPOCHS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert is_carrier("html", (tmp_path / "made" / "report.html").read_bytes())
