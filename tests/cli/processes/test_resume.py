"""Training that is killed or told to end, and the same command again."""

import os
import random
import signal
import subprocess
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow  # each starts and kills a training

pytestmark = pytest.mark.long  # runs that are stopped and started over and over

TRAIN = "train fc5 --epochs 12 --eval-every 6 --batch-size 64 --momentum 0.9 --checkpoint-every 0.3 --quiet"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_the_same_bytes_however_often_it_was_stopped(shell: Any, sent: signal.Signals) -> None:
    """At moments that differ from run to run: none of them may matter."""
    moments = random.Random()
    state = shell.folder / "parts.resume.pt"
    codes = []
    for _ in range(2):
        before = state.stat().st_mtime_ns if state.exists() else 0
        process = shell.start(f"{TRAIN} -o parts.safetensors", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > before):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.5))
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
        codes.append(process.returncode)
        if process.returncode == 0:  # a fast machine was done before
            break
        assert out == b""
        assert err == b"", "quiet: what can be resumed is saved all the same"
        assert not (shell.folder / "parts.safetensors").exists()
        assert state.exists() or state.with_name("parts.resume.before.pt").exists()
    expected = -9 if sent == signal.SIGKILL else 128 + sent
    assert set(codes) <= {0, expected}
    assert shell(f"{TRAIN} -o parts.safetensors").out == "parts.safetensors\n"
    assert shell(f"{TRAIN} -o whole.safetensors").out == "whole.safetensors\n"
    names = ("parts.safetensors", "whole.safetensors")
    parts, whole = ((shell.folder / name).read_bytes() for name in names)
    assert parts == whole
    assert {path.name for path in shell.folder.iterdir()} == set(names)  # nothing of a write that was killed


def test_a_second_signal_does_not_wait_for_the_state(shell: Any) -> None:
    """One step of this takes minutes, so the first signal alone could not be heeded soon."""
    slow = shell.folder / "slow.py"
    slow.write_text(
        "import time\nfrom torch import nn\n\nclass Slow(nn.Flatten):\n    def forward(self, x):\n"
        "        if self.training:\n            print('in a step', flush=True)\n            time.sleep(600)\n"
        "        return super().forward(x)\n\n"
        "def net():\n    return nn.Sequential(Slow(), nn.Linear(64, 10))\n"
    )
    process = shell.start("train slow.py:net --epochs 1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert b"in a step\n" in iter(process.stderr.readline, b"")
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"apcli: train interrupted: finished files are kept" in err
    assert b"Traceback" not in err
    assert [path.name for path in shell.folder.iterdir() if path.suffix == ".pt"] == []


def test_a_signal_to_all_processes_waits_for_the_state_too(shell: Any) -> None:
    """What SLURM and systemd do: those that decode images are told to end as well."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 40), ("val", 4)):
        for name in ("ant", "bee"):
            (shell.folder / "pictures" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(shell.folder / "pictures" / part / name / f"{number}.png")
    command = "train resnet20 --data folder:pictures --input-size 8 --cache none --epochs 200 --eval-every 200 -b 2"
    pipe = subprocess.PIPE
    process = shell.start(f"{command} --checkpoint-every 0.1", stdout=pipe, stderr=pipe, start_new_session=True)
    while process.poll() is None and not list(shell.folder.glob("*.resume.pt")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, b"")
    assert err.splitlines()[-1].startswith(b"apcli: train terminated: finished files are kept")
    assert b"Traceback" not in err
    assert b"decodes" not in err
    there = {path.name for path in shell.folder.iterdir() if path.is_file()}
    assert there - {"resnet20-pictures.resume.before.pt"} == {"resnet20-pictures.resume.pt"}
