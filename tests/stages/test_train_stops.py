"""Runs that are stopped and taken up again give the bytes of those that were not."""

import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from marked import slow
from short_trainings import quiet

from apcli.checkpoints import traces
from apcli.checkpoints.promises import Json
from apcli.checkpoints.reading import read
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, ModelConfig, TrainConfig
from apcli.errors import UsageError
from apcli.stages.finetune import Finetuner
from apcli.stages.outputs import Outputs
from apcli.stages.prune.stage import prune
from apcli.stages.train import train
from apcli.training.loop import Training

NET = """
from torch import nn

def net(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, num_classes)
    )
"""  # noqa: E501
IMAGES, BATCH = 1442, 400  # of the digits to train


class Stop(BaseException):
    """What the command line makes of a signal."""


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Sends SIGTERM after so many steps of the run that comes; None: never."""
    steps: dict[str, int | None] = {"left": None}
    look = Training._check_now_and_then

    def count(training: Training) -> None:
        if steps["left"] is not None:
            steps["left"] -= 1
            if steps["left"] == 0:
                signal.raise_signal(signal.SIGTERM)
        look(training)

    def stop(signum: int, frame: Any) -> None:
        raise Stop

    monkeypatch.setattr(Training, "_check_now_and_then", count)
    before = signal.signal(signal.SIGTERM, stop)
    yield lambda number: steps.update(left=number)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("code") / "net.py"
    path.write_text(NET)
    return f"{path}:net"


@pytest.fixture(scope="module")
def pruned(net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    config = TrainConfig(ModelConfig(net), loop=LoopConfig(epochs=1, batch_size=BATCH, device="cpu", eval_every=9))
    (dense,) = train(config, Outputs(folder), quiet)
    (path,) = prune(read(dense), PruneConfig((0.3,)), Outputs(folder))
    return Path(path)


def loop(**options: Any) -> LoopConfig:
    given = {"epochs": 3, "batch_size": BATCH, "lr": 0.05, "device": "cpu", "eval_every": 2, **options}
    return LoopConfig(**given)


def trained(net: str, folder: Path, overwrite: bool = False, **options: Any) -> Path:
    config = TrainConfig(ModelConfig(net), loop=loop(**options), seeds=(3,))
    (path,) = train(config, Outputs(folder / "t.safetensors", overwrite), quiet)
    return path


RECIPES = [
    {"augment": "crop:padding=1,flip", "momentum": 0.9, "weight_decay": 1e-3},
    {"opt": "adam", "ema": 0.9, "warmup_epochs": 1.5},
    {"opt": "nadam", "sched": "one-cycle", "lr": 0.01, "mixup": 0.2, "cutmix": 1.0},
    {"opt": "radam", "sched": "plateau:patience=0", "validation": 0.2, "patience": 2, "lr": 0.01, "eval_every": 1},
    {"keep": "best", "validation": 0.2, "split": "test", "eval_every": 1},
    {"sched": "one-cycle", "clip_grad": 1.0, "label_smoothing": 0.1, "decay": "weights", "weight_decay": 0.01},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", [RECIPES[0], *map(slow, RECIPES[1:])], ids="-".join)
def test_training_stopped_anywhere_goes_on_to_the_same_bytes(net, tmp_path, stop_at, options):
    """Stopped in an epoch's middle, on its last step, after its first, and after the last of all."""
    whole = trained(net, tmp_path / "whole", **options).read_bytes()
    place = tmp_path / "parts"
    left = 3 * math.ceil(round((1 - options.get("validation", 0)) * IMAGES) / BATCH) - 5
    for steps in (2, 2, 1, left):
        stop_at(steps)
        with pytest.raises(Stop):
            trained(net, place, **options)
        assert {path.name for path in place.iterdir()} - {"t.resume.before.pt"} == {"t.resume.pt"}
    stop_at(None)
    assert trained(net, place, **options).read_bytes() == whole
    assert sorted(path.name for path in place.iterdir()) == ["t.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        slow({"update": "pruned"}),
        slow({"recalibrate_bn": True}),
        slow({"sparsity": 0.8, "schedule": "cubic:every=1"}),
        slow({"sparsity": 0.8, "method": "movement", "scope": "global", "schedule": "linear:begin=0.2:every=1"}),
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "plain",
)
def test_fine_tuning_and_its_trace_too(net, pruned, tmp_path, stop_at, options):
    def tuned(folder: Path) -> tuple[bytes, bytes]:
        config = FinetuneConfig(loop=loop(opt="adam", ema=0.8, lr=0.01), model=net, **options)
        path = Finetuner(config, Outputs(folder), quiet).finetune(read(pruned))
        return path.read_bytes(), traces.path_beside(path).read_bytes()

    whole = tuned(tmp_path / "whole")
    for steps in (3, 3, 3):
        stop_at(steps)
        with pytest.raises(Stop):
            tuned(tmp_path / "parts")
    stop_at(None)
    assert tuned(tmp_path / "parts") == whole
    assert len(list((tmp_path / "parts").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("every", [slow(0.25), 1.0, slow(2.0)])
def test_a_run_that_ends_without_a_word_goes_on_from_the_last_saved_state(net, tmp_path, stop_at, monkeypatch, every):
    """An exception that nobody holds back stands for a kill."""
    whole = trained(net, tmp_path / "whole").read_bytes()
    close, closed = Training._close_epoch, []

    def killed(training: Training) -> Json:
        if len(closed) == 2:
            raise Stop
        closed.append(training.epoch)
        return close(training)

    monkeypatch.setattr(Training, "_close_epoch", killed)
    with pytest.raises(Stop):
        trained(net, tmp_path / "parts", checkpoint_every=every)
    monkeypatch.setattr(Training, "_close_epoch", lambda training: closed.append(training.epoch) or close(training))
    closed.clear()
    assert trained(net, tmp_path / "parts", checkpoint_every=every).read_bytes() == whole
    assert closed == [2]


@pytest.mark.slow
def test_a_state_of_another_run_is_not_taken_up(net, tmp_path, stop_at):
    stop_at(2)
    with pytest.raises(Stop):
        trained(net, tmp_path)
    stop_at(None)
    state = tmp_path / "t.resume.pt"
    kept = state.read_bytes()
    with pytest.raises(UsageError, match=r"t\.resume\.pt .* other settings \(lr 0\.\d+ → 0\.1\): repeat its command"):
        trained(net, tmp_path, lr=0.1)
    assert state.read_bytes() == kept
    other = trained(net, tmp_path, resume=False, lr=0.1).read_bytes()
    assert not state.exists()
    assert other == trained(net, tmp_path / "whole", lr=0.1).read_bytes()


def test_what_is_no_state_runs_no_code_and_is_refused(net, tmp_path):
    (tmp_path / "t.resume.pt").write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(UsageError, match="cannot be read as a saved state: give --no-resume"):
        trained(net, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.resume.pt"]
    trained(net, tmp_path, resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.safetensors"]


@pytest.mark.slow
def test_a_command_that_overwrites_goes_on_too(net, tmp_path, stop_at):
    """The same command again, whatever its options."""
    trained(net, tmp_path, lr=0.1)
    stop_at(6)
    with pytest.raises(Stop):
        trained(net, tmp_path, overwrite=True)
    seen = []
    stop_at(None)
    path = trained(net, tmp_path, overwrite=True)
    seen.append(path.read_bytes())
    assert seen == [trained(net, tmp_path / "whole").read_bytes()]
