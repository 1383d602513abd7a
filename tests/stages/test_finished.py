"""What is told of fine-tuned files by their lineages alone."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apcli.checkpoints import traces
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import VerificationError
from apcli.progress import Progress
from apcli.stages.finetune import Finetuner
from apcli.stages.finished import can_tell, finetuned
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train

pytestmark = pytest.mark.slow  # a network is made first

LOOP = LoopConfig(epochs=0, device="cpu")
CONFIG = FinetuneConfig(loop=LOOP)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (dense,) = train(TrainConfig(ModelConfig("fc5"), loop=LOOP), Outputs(folder), Progress())
    (path,) = prune(read(dense), PruneConfig((0.5,)), Outputs())
    Finetuner(CONFIG, Outputs(), Progress()).finetune(read(path))
    return path


@pytest.fixture
def pruned(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made.parent, tmp_path / "own")
    return tmp_path / "own" / made.name


def result_of(pruned: Path) -> Path:
    return pruned.with_name(f"{pruned.stem}.finetuned.safetensors")


def test_a_result_that_is_there_is_told(pruned):
    assert can_tell(CONFIG, Outputs())
    assert finetuned(read(pruned), CONFIG, Outputs()) == result_of(pruned)


def test_it_is_told_without_torch(pruned):
    command = [sys.executable, "-X", "importtime", "-m", "apcli", "finetune", str(pruned), "--epochs", "0", "-q"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(result_of(pruned))]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in loaded
    assert "torch" not in loaded


@pytest.mark.parametrize(
    "change",
    [
        {"loop": replace(LOOP, lr=0.5)},
        {"loop": replace(LOOP, epochs=1)},
        {"seed": 5},
        {"update": "pruned"},
        {"trace": "none"},
        {"recalibrate_bn": True},
    ],
)
def test_a_result_of_other_settings_is_left_to_the_stage(pruned, change):
    assert finetuned(read(pruned), replace(CONFIG, **change), Outputs()) is None


def test_what_is_missing_or_of_another_source_is_left_to_the_stage(pruned):
    source = read(pruned)
    other = replace(source, lineage=replace(source.lineage, seed=4))
    bare = replace(source, lineage=replace(source.lineage, pruned={}))
    assert finetuned(other, CONFIG, Outputs()) is finetuned(bare, CONFIG, Outputs()) is None
    traces.path_beside(result_of(pruned)).unlink()
    assert finetuned(source, CONFIG, Outputs()) is None
    result_of(pruned).write_bytes(b"mine")
    assert finetuned(source, CONFIG, Outputs()) is None
    result_of(pruned).unlink()
    assert finetuned(source, CONFIG, Outputs()) is None


def test_a_result_that_lost_zeros_is_not_kept(pruned):
    content = bytearray(result_of(pruned).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start:] = b"\x3f" * (len(content) - start)
    result_of(pruned).write_bytes(bytes(content))
    with pytest.raises(VerificationError, match="zeros"):
        finetuned(read(pruned), CONFIG, Outputs())


def test_what_the_files_do_not_say_cannot_be_told(tmp_path):
    for config in (
        FinetuneConfig(loop=replace(LOOP, device="cuda")),
        FinetuneConfig(loop=replace(LOOP, teacher="dense")),
        FinetuneConfig(loop=replace(LOOP, images=100)),
        FinetuneConfig(loop=LOOP, data=DataConfig("digits")),
        FinetuneConfig(loop=LOOP, inputs=InputConfig(mean=(0.5,))),
        FinetuneConfig(loop=LOOP, model="net.py:net"),
        FinetuneConfig(loop=replace(LOOP, epochs=1), sparsity=0.5),
    ):
        assert not can_tell(config, Outputs())
    assert not can_tell(CONFIG, Outputs(overwrite=True))
    assert not can_tell(CONFIG, Outputs(tmp_path, home=Path()))
