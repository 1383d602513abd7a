"""A recipe fills in what the command left open, and refuses what does not go together."""

import pytest
import torch
from tiny_training import CPU, data, spec

from apcli.configs.training import LoopConfig
from apcli.errors import UsageError
from apcli.training.recipe import recipe_of, warn_of_schedule


def test_recipe_decides_what_the_command_left_open(recipe):
    slow, fast = (
        recipe_of(LoopConfig(), spec(name="fc5"), data(), CPU),
        recipe_of(LoopConfig(), spec(name="resnet20"), data(), CPU),
    )
    assert (slow.lr, fast.lr, fast.momentum, fast.augment) == (0.01, 0.1, 0.9, ())
    assert recipe(momentum=0.0).momentum == 0.0
    assert recipe(opt="adam").momentum is None
    assert recipe(opt="rmsprop").momentum == 0.9
    settings = recipe(
        batch_size=16, opt="sgd:nesterov=1", sched="step:gamma=0.5", augment="crop:padding=1,flip"
    ).settings()
    assert settings == {
        "epochs": 4,
        "batch_size": 16,
        "opt": "sgd:nesterov=1",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "decay": "all",
        "clip_grad": None,
        "sched": "step:gamma=0.5",
        "warmup_epochs": 0.0,
        "augment": "crop:padding=1,flip",
        "mixup": 0.0,
        "cutmix": 0.0,
        "label_smoothing": 0.0,
        "distill": None,
        "temperature": None,
        "ema": None,
        "patience": None,
        "validation": 0.0,
        "eval_every": 1,
        "amp": False,
        "compile": False,
        "cuda_graph": True,
    }
    assert recipe_of(LoopConfig(), spec(), data(), torch.device("cuda")).amp
    assert not recipe_of(LoopConfig(amp=False), spec(), data(), torch.device("cuda")).amp


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opt": "sgdd"}, "unknown optimiser 'sgdd': did you mean 'sgd'"),
        ({"sched": "wave"}, "unknown schedule 'wave'"),
        ({"augment": "spin"}, "unknown augmentation 'spin'"),
        ({"opt": "adam", "momentum": 0.5}, "--momentum is 0.5 but adam has none"),
        (
            {"sched": "plateau", "split": "test"},
            "--sched plateau with --split test: expected train too, or --validation",
        ),
    ],
)
def test_wrong_recipes(recipe, options, words):
    with pytest.raises(UsageError, match=words):
        recipe(**options)


def test_a_graph_is_asked_for_only_where_there_can_be_one(recipe):
    asked = (None, True, False)
    assert [recipe(device="cuda:0", cuda_graph=graph).cuda_graph for graph in asked] == [True, True, False]
    assert not recipe(cuda_graph=False).cuda_graph  # on a CPU nothing is captured anyway
    with pytest.raises(UsageError, match="--cuda-graph on cpu: expected a CUDA device"):
        recipe(cuda_graph=True)
    for option, name in (("opt", "adagrad"), ("sched", "one-cycle")):
        with pytest.raises(UsageError, match=f"--cuda-graph with --{option} {name}, whose steps cannot be captured"):
            recipe(device="cuda:0", cuda_graph=True, **{option: name})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"warmup_epochs": 4}, []),
        (
            {"warmup_epochs": 4.5},
            ["--warmup-epochs 4.5 is longer than the run of 4: --lr is never reached"],
        ),
        ({"epochs": 0, "warmup_epochs": 4.5, "sched": "step"}, []),
        ({"sched": "step:milestones=3+1"}, []),
        (
            {"sched": "step:milestones=9+4+2"},
            ["--sched step:milestones=9+4+2: no epoch of 4 comes after the milestone 4 or 9"],
        ),
        ({"sched": "step"}, ["--sched step: no epoch of 4 comes after the milestone 30 or 60 or 90"]),
    ],
)
def test_what_lies_beyond_the_end_is_said(caplog, options, said):
    warn_of_schedule(LoopConfig(**{"epochs": 4, **options}))
    assert caplog.messages == said


def test_one_cycle_moves_momentum_and_warms_up_by_itself(recipe):
    assert recipe(sched="one-cycle").settings()["momentum"] is None
    with pytest.raises(UsageError, match=r"--momentum with --sched one-cycle, which moves momentum from 0\.95 to"):
        recipe(sched="one-cycle", momentum=0.8)
    with pytest.raises(UsageError, match="--warmup-epochs with --sched one-cycle, which warms up by itself"):
        recipe(sched="one-cycle", warmup_epochs=1)


@pytest.mark.parametrize(
    ("sched", "min_lr", "spec"),
    [
        ("cosine", 1e-5, "cosine:min_lr=1e-05"),
        ("plateau:patience=3", 0.001, "plateau:patience=3:min_lr=0.001"),
        ("cosine", 0.0, "cosine"),
        ("cosine:min_lr=1e-5", None, "cosine:min_lr=1e-05"),
    ],
)
def test_the_least_rate_is_recorded_as_the_schedule_s(recipe, sched, min_lr, spec):
    settings = recipe(sched=sched, min_lr=min_lr).settings()
    assert settings["sched"] == spec
    assert "min_lr" not in settings


def test_the_least_rate_is_given_once_and_to_a_schedule_that_has_one(recipe):
    with pytest.raises(UsageError, match=r"--min-lr with --sched linear, .*: it goes with cosine and plateau"):
        recipe(sched="linear", min_lr=0.1)
    with pytest.raises(UsageError, match=r"--min-lr and --sched cosine:min_lr=0\.1 both give the rate: expected one"):
        recipe(sched="cosine:min_lr=0.1", min_lr=0.1)


def test_what_is_measured_and_which_epoch_is_kept(recipe):
    how = recipe(split="test,train", patience=3)
    assert (how.split, how.splits, how.keep) == ("train,test", ("train", "test", "validation"), "best")
    how = recipe(split="test", patience=3, keep="last", validation=0.5)
    assert (how.split, how.splits, how.keep) == ("test", ("test", "validation"), "last")
    assert recipe(sched="plateau", split="test", validation=0.5).split == "test"
    assert recipe(validation=0.5).keep == "last"
