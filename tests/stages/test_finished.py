"""What is told of trained and fine-tuned files by their lineages alone."""

import logging
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from apcli.api import runs
from apcli.checkpoints import traces
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.shared import DataConfig, InputConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.data import DATASETS
from apcli.errors import UsageError, VerificationError
from apcli.progress import Progress
from apcli.stages.finetune import Finetuner
from apcli.stages.finished import can_tell, finetuned, trained
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


def told_without_torch(words: str) -> list[str]:
    """What a command prints that has nothing to do."""
    command = [sys.executable, "-X", "importtime", "-m", "apcli", *words.split(), "--epochs", "0", "--device", "cpu"]
    done = subprocess.run([*command, "-q"], capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in loaded
    assert "torch" not in loaded
    return done.stdout.split()


def result_of(pruned: Path) -> Path:
    return pruned.with_name(f"{pruned.stem}.finetuned.safetensors")


def test_a_result_that_is_there_is_told(pruned):
    assert can_tell(CONFIG, Outputs())
    assert finetuned(read(pruned), CONFIG, Outputs()) == result_of(pruned)


def test_it_is_told_without_torch(pruned):
    assert told_without_torch(f"finetune {pruned}") == [str(result_of(pruned))]


@pytest.mark.parametrize(
    "change",
    [
        {"loop": replace(LOOP, lr=0.5)},
        {"loop": replace(LOOP, epochs=1)},
        {"update": "pruned"},
        {"trace": "none"},
        {"recalibrate_bn": True},
    ],
)
def test_a_result_of_other_settings_is_left_to_the_stage(pruned, change):
    assert finetuned(read(pruned), replace(CONFIG, **change), Outputs()) is None


def test_each_seed_has_a_file_of_its_own_and_its_own_batches(pruned):
    config = replace(CONFIG, loop=replace(LOOP, epochs=1), seeds=(0, 1))
    wanted = [pruned.with_name(f"{pruned.stem}.finetuned.seed{seed}.safetensors") for seed in (0, 1)]
    assert list(runs.finetune(config, [read(pruned)], Outputs(), Progress())) == wanted
    first, second = map(read, wanted)
    assert first.sha256 != second.sha256
    assert [file.lineage.last_settings.options["seed"] for file in (first, second)] == [0, 1]
    assert [finetuned(read(pruned), config, Outputs(), seed) for seed in (0, 1)] == wanted
    assert finetuned(read(pruned), CONFIG, Outputs(), 5) is None, "one seed is not in the name"
    with pytest.raises(UsageError, match="one file but several"):
        next(runs.finetune(config, [read(pruned)], Outputs(pruned.with_name("x.safetensors")), Progress()))


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


# ---- train

DENSE = TrainConfig(ModelConfig(name="fc5"), loop=LOOP)

# Another value of every option of the loop that changes what is trained.
OTHERWISE: dict[str, Any] = {
    **{"epochs": 1, "batch_size": 64, "opt": "adamw", "lr": 0.5, "momentum": 0.5, "weight_decay": 1e-3},
    **{"decay": "weights", "clip_grad": 1.0, "layer_decay": 0.5, "accumulate": 2, "sched": "constant", "min_lr": 1e-4},
    **{
        "warmup_epochs": 1.0,
        "augment": "none",
        "mixup": 0.1,
        "cutmix": 0.1,
        "label_smoothing": 0.1,
        "drop_path": 0.1,
        "l1": 1e-5,
    },
    **{"teacher": "fc5-digits.safetensors", "ema": 0.9, "images": 100, "split": "test", "validation": 0.2},
    **{"patience": 1, "keep": "best", "eval_every": 2, "amp": True, "compile": True, "cuda_graph": False},
    "device": "cuda",
}
TOGETHER: dict[str, dict[str, Any]] = {"keep": {"validation": 0.2}}
WITH_ANOTHER = {"distill": 0.1, "temperature": 2.0, "l1_form": "subgradient"}
ALL_THE_SAME: dict[str, Any] = {
    **{"deterministic": False, "checkpoint_every": 1.0, "resume": False, "log_dir": "logs", "log_interval": 1}
}


@pytest.fixture
def dense(made: Path, tmp_path: Path) -> Path:
    shutil.copy(made.with_name("fc5-digits.safetensors"), tmp_path)
    return tmp_path / "fc5-digits.safetensors"


def test_a_trained_network_that_is_there_is_told(dense):
    assert trained(DENSE, Outputs(dense.parent)) == [dense]
    assert trained(replace(DENSE, data=DataConfig("digits", workers=1)), Outputs(dense)) == [dense]
    assert told_without_torch(f"train fc5 -o {dense}") == [str(dense)]


def test_every_option_of_the_loop_is_tried():
    assert {*OTHERWISE, *ALL_THE_SAME, *WITH_ANOTHER} == {field.name for field in fields(LoopConfig)}


@pytest.mark.parametrize("option", ALL_THE_SAME)
def test_what_changes_nothing_may_differ(dense, option):
    config = replace(DENSE, loop=replace(LOOP, **{option: ALL_THE_SAME[option]}))
    assert trained(config, Outputs(dense.parent)) == [dense]


@pytest.mark.parametrize("option", [name for name in OTHERWISE if name != "cuda_graph"])
def test_another_setting_is_left_to_the_stage(dense, option):
    changed = {**TOGETHER.get(option, {}), option: OTHERWISE[option]}
    assert trained(replace(DENSE, loop=replace(LOOP, **changed)), Outputs(dense.parent)) is None


def test_the_graph_of_another_device_is_left_to_the_stage(dense):
    for given in (None, True):
        assert trained(replace(DENSE, loop=replace(LOOP, device="cuda", cuda_graph=given)), Outputs(dense)) is None
    assert trained(replace(DENSE, loop=replace(LOOP, cuda_graph=False)), Outputs(dense)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (1,)},
        {"model": ModelConfig(name="fc12")},
        {"model": ModelConfig(name="fc5", num_classes=11)},
        {"model": ModelConfig(name="fc5", input_size=16)},
        {"model": ModelConfig(name="fc5", mean=(0.5,))},
        {"model": ModelConfig(name="fc5", std=(0.5,))},
        {"weights": "fc5-digits.safetensors"},
        {"weights": "fc5-digits.safetensors", "rename": ("fc5=fc",)},
        {"model": ModelConfig(name="torchvision:resnet18")},
        {"model": ModelConfig(name="timm:resnet18", pretrained=True)},
        {"model": ModelConfig(name="net.py:fc5")},
        {"data": DataConfig("cifar10")},
        {"data": DataConfig("folder:pictures")},
    ],
)
def test_another_network_or_data_is_left_to_the_stage(dense, changes):
    assert trained(replace(DENSE, **changes), Outputs(dense)) is None


def test_other_images_of_the_same_name_are_left_to_the_stage(dense):
    """As if a later apcli came with other digits."""
    row = DATASETS.row("digits")
    for contents in (replace(row.contents, images=(1443, 355)), replace(row.contents, shape=(1, 9, 9)), None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(DATASETS._rows, "digits", replace(row, contents=contents))
            assert trained(DENSE, Outputs(dense)) is None
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS._rows, "digits", replace(row, std=(0.4,)))
        assert trained(DENSE, Outputs(dense)) is None
    assert trained(DENSE, Outputs(dense)) == [dense]


def test_a_file_that_started_from_weights_is_not_one_that_did_not(dense, tmp_path):
    """The lineage's parent differs: the same for the file that was given."""
    given, out = replace(DENSE, weights=str(dense)), Outputs(tmp_path / "out")
    (path,) = train(given, out, Progress())
    assert trained(DENSE, Outputs(path)) is None
    assert trained(given, Outputs(path)) is None
    with pytest.raises(UsageError, match="was made with other settings"):
        list(runs.train(DENSE, Outputs(path), Progress()))


def test_a_users_network_is_known_by_its_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = "nn.Sequential(nn.Flatten(), nn.Linear(64, num_classes))"
    code = f"from torch import nn\n\n\ndef net(num_classes):\n    return {made}\n"
    Path("net.py").write_text(code)
    config = TrainConfig(ModelConfig(name="net.py:net"), loop=LOOP)
    (path,) = runs.train(config, Outputs(), Progress())
    assert list(runs.train(config, Outputs(), Progress())) == [path]
    Path("net.py").write_text(f"{code}# changed\n")
    with pytest.raises(UsageError, match=r"other settings.*code"):
        list(runs.train(config, Outputs(), Progress()))


def test_the_stage_finds_its_own_settings_unspoilt(dense, caplog):
    """What could not be told left nothing behind that changes the words of the stage, or what it keeps."""
    caplog.set_level(logging.INFO, "apcli")
    with pytest.raises(UsageError, match=r"exists and was made with other settings \(.*lr"):
        list(runs.train(replace(DENSE, loop=replace(LOOP, lr=0.5)), Outputs(dense.parent), Progress()))
    some = replace(DENSE, seeds=(0, 1))
    first, second = runs.train(some, Outputs(dense.parent), Progress())
    second.unlink()
    caplog.clear()
    assert trained(some, Outputs(dense.parent)) is None
    assert list(runs.train(some, Outputs(dense.parent), Progress())) == [first, second]
    kept = [record.message for record in caplog.records if "already there" in record.message]
    assert len(kept) == 1
    assert str(first) in kept[0]
    assert trained(some, Outputs(dense.parent)) == [first, second]


def test_a_trained_file_that_is_damaged_is_left_to_the_stage(dense):
    whole = dense.read_bytes()
    for content in (whole[:-1], whole[:100], b"mine"):
        dense.write_bytes(content)
        assert trained(DENSE, Outputs(dense)) is None
    dense.unlink()
    assert trained(DENSE, Outputs(dense)) is None


def test_what_is_made_anyway_is_left_to_the_stage(dense, monkeypatch):
    assert trained(DENSE, Outputs(dense, overwrite=True)) is None
    assert trained(DENSE, Outputs(dense, home=Path())) is None
    with pytest.raises(UsageError, match="several checkpoints"):
        trained(replace(DENSE, seeds=(0, 1)), Outputs(dense))
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert trained(DENSE, Outputs(dense)) is None
