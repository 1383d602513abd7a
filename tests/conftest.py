"""What holds for every test: ``oracles`` can be imported from any folder, and torch takes one thread.

The tests run side by side (``pytest -n 2``): threads that outnumber the cores wait for one another. No example of
hypothesis has a deadline, which would measure how busy the machine is, and each run tries the same examples: a failure
is of the change at hand. ``--hypothesis-profile=new`` draws new ones.
"""

import os
import shlex
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, and by the processes that tests start
sys.path.append(str(Path(__file__).parent))
settings.register_profile("new", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the console script; without an installed one, of a script that does the same."""
    script = Path(sys.executable).with_name("apcli")
    if script.is_file():
        return script.parent
    script = tmp_path_factory.mktemp("bin") / "apcli"
    root = shlex.quote(str(Path(__file__).parents[1]))
    command = f'PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}" exec {shlex.quote(sys.executable)} -m apcli "$@"'
    script.write_text(f"#!/bin/sh\n{command}\n")
    script.chmod(0o755)
    return script.parent


@pytest.fixture(scope="session")
def environment(binaries: Path) -> dict[str, str]:
    """The variables of a process that runs scripts: they find apcli and this Python, and take one thread."""
    path = os.pathsep.join([str(binaries), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
