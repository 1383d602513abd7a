"""Training that is stopped anywhere, whatever its state consists of; and what is no state of this run."""

import io
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from marked import long_but, slow, slow_but
from torch import nn

from apcli.configs.training import LoopConfig
from apcli.criteria import METHODS
from apcli.data.augmentations import AUGMENTATIONS
from apcli.data.datasets import Dataset, Split
from apcli.data.streaming import ReaderLost
from apcli.errors import ApcliError, UsageError
from apcli.models.spec import ModelSpec
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim import OPTIMISERS, SCHEDULES
from apcli.training.optim.parameters import parameters_of
from apcli.training.recipe import recipe_of
from apcli.training.resume import Resume, State

SPEC = ModelSpec("net.py:net", "user", 5, (1, 4, 4), (0.5,), (0.25,))
EPOCHS, BATCHES = 3, 3
STEPS = EPOCHS * BATCHES


def data() -> Dataset:
    draw = torch.Generator().manual_seed(3)
    splits = [
        Split(
            torch.randint(0, 256, (count, 1, 4, 4), generator=draw, dtype=torch.uint8),
            torch.randint(0, 5, (count,), generator=draw),
        )
        for count in (22, 9)  # in batches of 8 the last is smaller
    ]
    return Dataset("tiny", *splits, classes=5, mean=(0.5,), std=(0.25,), augment="none")


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = (nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3))
    return nn.Sequential(*layers, nn.Linear(64, 5))


class Stop(BaseException):
    """What the command line makes of a signal."""


@dataclass
class Run:
    """A training that can be begun again and again; ``path`` None: nothing is kept."""

    options: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    every: float = 0.0
    masking: Callable[[nn.Module], Masking] | None = None
    only: list[str] | None = None
    teacher: bool = False
    closed: int = 0  # states that were whole before it began

    def begin(self) -> Training:
        dataset = data().hold_out(self.options.get("validation", 0.0))
        given = {"epochs": EPOCHS, "batch_size": 8, "lr": 0.02, **self.options}
        recipe = recipe_of(LoopConfig(**given), SPEC, dataset, torch.device("cpu"))
        model = network()
        return Training(
            model,
            Setup(SPEC, dataset, recipe, 5, self.only, network(1) if self.teacher else None, ["5.weight"]),
            masking=self.masking and self.masking(model),
            resume=Resume(self.path, self.options, self.every),
        )

    def outcome(self) -> dict[str, Any]:
        """All that a stage writes of it, exactly."""
        training = self.begin()
        list(training.run())
        return {
            "weights": {name: tensor.tolist() for name, tensor in training.evaluated.network.state_dict().items()},
            "history": json.dumps(training.history),
            "metrics": training.metrics,
            "snapshots": {epoch: kept["5.weight"].tolist() for epoch, kept in training.snapshots.items()},
            "removed": {name: mask.tolist() for name, mask in training.masking.removed.items()},
        }

    def stopped(self, at: int, *, in_steps: bool, by: Callable[[], Any]) -> int:
        """Begin it, and call ``by`` in forward pass ``at``, of those of ``in_steps`` or of all; how many there were."""
        training = self.begin()
        seen = 0

        def count(module: nn.Module, _: Any) -> None:
            nonlocal seen
            if module.training or not in_steps:
                seen += 1
                if seen == at:
                    by()

        for module in {training.network, training.evaluated.network}:
            module.register_forward_pre_hook(count)
        list(training.run())
        return seen


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def killed() -> None:
    raise Stop


@pytest.fixture(autouse=True)
def stops() -> Iterator[None]:
    def stop(signum: int, frame: Any) -> None:
        raise Stop

    before = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


def check_a_stop_at_every_step(run: Run, folder: Path) -> None:
    """Each of the steps in a process of its own, as it were."""
    whole = run.outcome()
    run.path = folder / "t.safetensors"
    for _ in range(len(json.loads(whole["history"])) * BATCHES):
        with pytest.raises(Stop):
            run.stopped(1, in_steps=True, by=terminate)
    assert run.outcome() == whole


@pytest.mark.slow
@pytest.mark.parametrize("opt", OPTIMISERS.names)
def test_every_optimiser(tmp_path, opt):
    check_a_stop_at_every_step(Run({"opt": opt, "weight_decay": 0.01}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("opt", long_but(OPTIMISERS.names, "sgd", "adam"))
def test_every_optimiser_of_an_average(tmp_path, opt):
    how = {"ema": 0.7, "decay": "weights", "clip_grad": 0.5}
    check_a_stop_at_every_step(Run({"opt": opt, "weight_decay": 0.01, **how}), tmp_path)


MOVING = ("one-cycle", "plateau:patience=0:factor=0.5")  # of one-cycle momentum or betas, of the other by the loss
PAIRS = [
    (sched, opt) for sched in [*SCHEDULES.names, MOVING[1], "step:milestones=1+2"] for opt in ("sgd", "adam", "adagrad")
]


@pytest.mark.slow
@pytest.mark.parametrize(("sched", "opt"), long_but(PAIRS, *(p for p in PAIRS if p[1] == "sgd" or p[0] in MOVING)))
def test_every_schedule(tmp_path, sched, opt):
    """Of a momentum that goes against the rate, of betas that do, and of neither."""
    warmup = {} if sched == "one-cycle" else {"warmup_epochs": 1.5}
    check_a_stop_at_every_step(Run({"sched": sched, "opt": opt, **warmup}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but(AUGMENTATIONS.names, "flip"))
def test_every_augmentation(tmp_path, name):
    check_a_stop_at_every_step(Run({"augment": name}), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"mixup": 0.3, "cutmix": 1.0, "label_smoothing": 0.1},
        slow({"accumulate": 3, "layer_decay": 0.5, "opt": "adam"}),
        {"l1": 0.02, "ema": 0.5},
        slow({"l1": 0.02, "l1_form": "subgradient", "accumulate": 2}),
        slow({"validation": 0.2, "patience": 1, "lr": 3.0, "epochs": 9}),
        slow({"validation": 0.2, "patience": 2, "sched": "plateau:patience=0", "eval_every": 2, "ema": 0.5}),
    ],
    ids=["mixed", "pieces", "l1", "subgradient", "patience", "plateau"],
)
def test_what_else_has_a_state_or_draws(tmp_path, options):
    check_a_stop_at_every_step(Run(options), tmp_path)


def test_a_run_that_ends_early_ends_early():
    """Else the patience above is no test of one."""
    history = json.loads(Run({"validation": 0.2, "patience": 1, "lr": 3.0, "epochs": 9}).outcome()["history"])
    assert 1 < len(history) < 9


@pytest.mark.slow
@pytest.mark.parametrize(("only", "teacher"), [(["5.weight"], False), (None, True)], ids=["frozen", "taught"])
def test_frozen_and_taught_networks(tmp_path, only, teacher):
    options = {"teacher": "t", "distill": 0.7} if teacher else {}
    check_a_stop_at_every_step(Run(options, only=only, teacher=teacher), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lowest", "movement"])
def test_masks_that_grow(tmp_path, method):
    def masking(model: nn.Module) -> Masking:
        weights = parameters_of(model)
        removed = {name: torch.zeros_like(weights[name], dtype=torch.bool) for name in ("0.weight", "5.weight")}
        removed["0.weight"].view(-1)[::5] = True
        ramp = Ramp(("0.weight", "5.weight"), {2: 100, 3: 150, 5: 250, 7: 300})
        learn = METHODS.parse(method) if method == "movement" else None
        held = Masking(weights, removed, [ramp], learn)
        held.hold()
        return held

    run = Run({"momentum": 0.9, "ema": 0.6}, masking=masking)
    check_a_stop_at_every_step(run, tmp_path)
    assert sum(torch.tensor(mask).sum() for mask in run.outcome()["removed"].values()) == 300


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    return Run({"ema": 0.7}).outcome()


@pytest.mark.slow
def test_a_signal_in_any_step_or_evaluation(tmp_path, plain):
    run = Run({"ema": 0.7}, tmp_path / "t.safetensors")
    for at in range(1, 1 + Run({"ema": 0.7}).stopped(0, in_steps=False, by=terminate)):
        with pytest.raises(Stop):
            run.stopped(at, in_steps=False, by=terminate)
        assert run.outcome() == plain, at
        run.begin().resume.remove()


class Losing(Split):
    """A split whose reader is lost instead of giving batch ``left``, counted over all that is read."""

    left = 0

    def read(self, chunks):
        for batch in super().read(chunks):
            Losing.left -= 1
            if Losing.left == 0:
                raise ReaderLost("a process that decodes images was ended by SIGKILL")
            yield batch


@pytest.mark.slow
@pytest.mark.parametrize("path", ["t.safetensors", None])
def test_a_reader_that_is_lost_anywhere(tmp_path, plain, monkeypatch, path):
    """While training and while evaluating, of the train and of the test split; with a state, and in a pipe."""
    given = data()
    train, test = (Losing(split.images, split.labels) for split in (given.train, given.test))
    monkeypatch.setattr(sys.modules[__name__], "data", lambda: replace(given, train=train, test=test))
    run = Run({"ema": 0.7}, path and tmp_path / path)
    losses = EPOCHS * (2 * BATCHES + 2)  # the average's statistics are measured on the train split, then both splits
    for at in range(1, 1 + losses if path else 2):
        Losing.left = at
        kept = r"SIGKILL; the state is saved in .*t\.resume\.pt: the same command resumes$" if path else "SIGKILL$"
        with pytest.raises(ReaderLost, match=kept):
            run.outcome()
        Losing.left = 0
        assert run.outcome() == plain, at
        run.begin().resume.remove()
    Losing.left = 1 + losses
    assert run.outcome() == plain


@pytest.mark.slow
@pytest.mark.parametrize("every", long_but([0.2, 0.5, 1, 1.5, 2], 0.5, 1))
def test_an_end_without_a_word_anywhere(tmp_path, plain, every):
    """Again and again, each time one forward pass further than the last saved state."""
    run = Run({"ema": 0.7}, tmp_path / "t.safetensors", every)
    for at in range(1, 1 + Run({"ema": 0.7}).stopped(0, in_steps=False, by=terminate)):
        with suppress(Stop):  # what is left may be less
            run.stopped(at, in_steps=False, by=killed)
    assert run.outcome() == plain


@pytest.mark.slow
def test_how_often_it_is_saved(tmp_path, monkeypatch):
    saved: list[int] = []
    save = Training.save
    monkeypatch.setattr(Training, "save", lambda training: saved.append(training._steps) or save(training))
    for every, steps in {
        0.0: [],
        1e-9: [1, 2, 3, 4, 5, 6, 7, 8],
        1 / 3: [1, 2, 3, 4, 5, 6, 7, 8],
        2 / 3: [2, 4, 6, 8],
        1.0: [3, 6],
        2.0: [6],
        9.0: [],
    }.items():
        saved.clear()
        run = Run({}, tmp_path / f"{every}.safetensors", every)
        run.outcome()
        assert saved == steps, every


# ---- the file


def test_nothing_is_kept_of_what_goes_through_a_pipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stop):
        Run().stopped(2, in_steps=True, by=terminate)
    assert list(tmp_path.iterdir()) == []


def test_where_it_lies(tmp_path):
    for name in ("x.y.safetensors", "x.y.safetensors.index.json"):
        assert Resume(tmp_path / name, {}).path == tmp_path / "x.y.resume.pt"


def state(parts: dict[str, torch.Tensor]) -> State:
    """Of a training in its first epoch."""
    return State(parts, 2, torch.ones(4), [], {0: {"a": torch.zeros(1)}}, (math.inf, 0, None), None)


def kept(folder: Path) -> Resume:
    made = Resume(folder / "t.safetensors", {"lr": 0.1})
    made.save(state({"weights": torch.arange(1000.0)}))
    return made


def test_the_same_recipe_finds_what_was_saved(tmp_path):
    kept(tmp_path)
    found = Resume(tmp_path / "t.safetensors", {"lr": 0.1}).state
    assert torch.equal(found.parts["weights"], torch.arange(1000.0))
    assert (found.done, found.history, found.best, found.good) == (2, [], (math.inf, 0, None), None)
    assert found.snapshots == {0: {"a": torch.zeros(1)}}
    again = Resume(tmp_path / "t.safetensors", {"lr": 0.1}, fresh=True)
    assert again.state is None
    again.remove()
    again.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", [{}, {"lr": 0.2}, {"lr": 0.1, "seed": 0}])
def test_of_another_run(tmp_path, recipe):
    file = kept(tmp_path).path
    before = file.read_bytes()
    with pytest.raises(
        UsageError, match=r"t\.resume\.pt belongs to a run with other settings.*: repeat its command .*resume"
    ):
        Resume(tmp_path / "t.safetensors", recipe)
    assert file.read_bytes() == before


class Harm:
    """Its pickle runs a command when it is read."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


def pickled(value: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "value",
    [
        {"recipe": '{"lr": 0.1}', "state": Harm()},
        {"recipe": Harm(), "state": {}},
        {"recipe": '{"lr": 0.1}', "state": [1, 2]},
        {"recipe": '{"lr": 0.1}', "state": {"network": {}, "done": 1}},
        {"recipe": '{"lr": 0.1}'},
        {"fc.weight": torch.ones(2)},
        [1],
        torch.ones(3),
        nn.Linear(2, 2),
    ],
    ids=["harm", "harm-first", "list", "part-of-a-state", "no-state", "state-dict", "numbers", "tensor", "module"],
)
@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")
def test_a_file_of_another_kind_is_refused_and_runs_no_code(tmp_path, monkeypatch, value, zipped):
    monkeypatch.chdir(tmp_path)
    content = pickled(value, _use_new_zipfile_serialization=zipped)
    check_it_is_refused(tmp_path, content)


def check_it_is_refused(folder: Path, content: bytes) -> None:
    file = folder / "t.resume.pt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"t\.resume\.pt cannot be read as a saved state: give --no-resume") as e:
        Resume(folder / "t.safetensors", {"lr": 0.1})
    assert "\n" not in str(e.value)
    assert [path.name for path in folder.iterdir()] == ["t.resume.pt"]
    assert file.read_bytes() == content


def test_a_damaged_file_is_refused(tmp_path):
    """Cut off, and with a bit turned in the weights, where torch would see nothing."""
    whole = kept(tmp_path).path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        check_it_is_refused(tmp_path, whole[:length])
    for place in range(whole.index(torch.arange(1000.0).numpy().tobytes()), len(whole), 997)[:4]:
        damaged = bytearray(whole)
        damaged[place] ^= 4
        check_it_is_refused(tmp_path, bytes(damaged))
    (tmp_path / "t.resume.pt").unlink()
    (tmp_path / "t.resume.pt").mkdir()
    with pytest.raises(UsageError, match="cannot be read as a saved state"):
        Resume(tmp_path / "t.safetensors", {"lr": 0.1})


@pytest.mark.parametrize("harm", [b"", b"PK", None], ids=["empty", "cut", "gone"])
def test_a_damaged_file_gives_way_to_the_one_before(tmp_path, plain, caplog, harm):
    """As after a crash of the system; and a process may be killed between the two names."""
    run = Run({"ema": 0.7}, tmp_path / "t.safetensors", every=1 / 3)
    with pytest.raises(Stop):
        run.stopped(2 * BATCHES, in_steps=True, by=terminate)
    state = tmp_path / "t.resume.pt"
    before = (tmp_path / "t.resume.before.pt").read_bytes()
    state.unlink() if harm is None else state.write_bytes(harm)
    resume = run.begin().resume
    assert ("is damaged: resuming from the state before it" in caplog.text) == (harm is not None)
    assert (tmp_path / "t.resume.before.pt").read_bytes() == before
    assert 0 < resume.state.done + BATCHES * len(resume.state.history) <= 2 * BATCHES
    assert run.outcome() == plain
    run.begin().resume.remove()
    assert list(tmp_path.iterdir()) == []


def test_of_two_damaged_files_the_newer_is_named(tmp_path):
    for name in ("t.resume.pt", "t.resume.before.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=r"t\.resume\.pt cannot be read as a saved state"):
        Resume(tmp_path / "t.safetensors", {})


def test_a_new_start_keeps_nothing_of_the_run_before(tmp_path):
    run = Run({}, tmp_path / "t.safetensors", 1.0)
    with pytest.raises(Stop):
        run.stopped(2 * BATCHES, in_steps=True, by=terminate)
    old = (tmp_path / "t.resume.pt").read_bytes()
    fresh = Resume(run.path, {"lr": 7}, fresh=True)
    fresh.save(State({}, 0, torch.zeros(4), [], {}, (math.inf, 0, None), None))
    fresh.save(State({}, 1, torch.zeros(4), [], {}, (math.inf, 0, None), None))
    assert old not in [path.read_bytes() for path in tmp_path.iterdir()]
    assert Resume(run.path, {"lr": 7}).state.done == 1


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file grows beyond 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("count", [4_990, 5_000, 100_000])
def test_a_full_disk_is_told_and_the_state_from_before_stays(tmp_path, small_disk, count):
    before = kept(tmp_path)
    content = before.path.read_bytes()
    with pytest.raises(ApcliError, match=r"cannot write .*t\.resume\.pt: File too large: free some space"):
        before.save(state({"weights": torch.ones(count), "more": torch.ones(count)}))
    assert [path.name for path in tmp_path.iterdir()] == ["t.resume.pt"]
    assert before.path.read_bytes() == content


def test_a_second_signal_while_it_is_saved_leaves_the_state_from_before(tmp_path, monkeypatch, plain):
    run = Run({"ema": 0.7}, tmp_path / "t.safetensors")
    with pytest.raises(Stop):
        run.stopped(2, in_steps=True, by=terminate)
    content = (tmp_path / "t.resume.pt").read_bytes()
    write = torch.save

    def slowly(saved: Any, file: Any) -> None:
        file.write(b"half")
        terminate()
        write(saved, file)

    monkeypatch.setattr(torch, "save", slowly)
    with pytest.raises(Stop):
        run.stopped(1, in_steps=True, by=terminate)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["t.resume.pt"]
    assert (tmp_path / "t.resume.pt").read_bytes() == content
    assert run.outcome() == plain
