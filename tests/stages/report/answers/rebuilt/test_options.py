"""Settings as options: the command line reads them as the same settings."""

import pytest
from pages import COMMANDS

from apcli.checkpoints.lineage import Lineage
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, LoopConfig, TrainConfig
from apcli.configs.values import config_of
from apcli.data import DATASETS
from apcli.data.image_spec import ImageSpec
from apcli.models.spec import ModelSpec, resolve
from apcli.stages.report.answers.rebuilt import options
from apcli.stages.report.runs.quantities import measures_of
from apcli.training.recipe import Cpu, recipe_of

DIGITS = DATASETS.row("digits")
SPEC = resolve("resnet20", ImageSpec((1, 8, 8), 10, DIGITS.mean, DIGITS.std))
ABOUT = {"name": "digits", "classes": 10, "images": [1442, 355]}
LOOPS = [
    {},
    {"epochs": 0, "batch_size": 64, "split": "test"},
    {"opt": "adamw", "lr": 1e-5, "weight_decay": 0.05, "decay": "weights", "clip_grad": 1.0, "layer_decay": 0.75},
    {"sched": "plateau:factor=0.5", "validation": 0.1, "keep": "best", "ema": 0.99},
    {"sched": "one-cycle", "accumulate": 4, "drop_path": 0.1, "warmup_epochs": 0.0},
    {"min_lr": 0.001, "warmup_epochs": 2.5, "momentum": 0.8, "patience": 3},
    {"augment": "none", "mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1, "eval_every": 2},
    {"amp": True, "compile": True, "l1": 5e-5},
    {"l1": 1e-3, "l1_form": "subgradient"},
    {"augment": "flip,crop:padding=2", "cuda_graph": False},
]


def given(command, words):
    """The keywords that a command line gives."""
    context = COMMANDS[command].make_context(command, list(words))
    return {k: v for k, v in context.params.items() if context.get_parameter_source(k).name != "DEFAULT"}


def settings(loop):
    return dict(recipe_of(loop, SPEC, DIGITS, Cpu()).settings())


@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_training(loop):
    wanted = settings(LoopConfig(**loop))
    lineage = Lineage.EMPTY.then(
        "train", {**wanted, "pretrained": False, "rename": []}, model=SPEC.to_json(), data=ABOUT
    )
    words = options.of_training(lineage, lineage.last_settings.options, {})
    read = config_of(TrainConfig, given("train", ["resnet20", *words]))
    assert settings(read.loop) == wanted
    assert read.data.name == "digits"


@pytest.mark.parametrize("loop", LOOPS, ids=str)
def test_fine_tuning(loop):
    how = {"epochs": 20, **loop}
    wanted = {**settings(LoopConfig(**how)), "update": "pruned", "trace": "none", "recalibrate_bn": True, "seed": 3}
    lineage = Lineage.EMPTY.then("finetune", wanted, model=SPEC.to_json(), data=ABOUT, seed=1)
    words = options.of_fine_tuning(lineage, lineage, wanted, {})
    read = config_of(FinetuneConfig, given("finetune", words))
    (seed,) = read.seeds
    assert {**settings(read.loop), "update": read.update, "trace": read.trace, "recalibrate_bn": read.recalibrate_bn,
            "seed": seed} == wanted  # fmt: skip


def test_what_is_usual_is_left_out():
    usual = settings(LoopConfig())
    lineage = Lineage.EMPTY.then("train", usual, model=SPEC.to_json(), data=ABOUT)
    assert options.of_training(lineage, usual, {}) == ("--data", "digits", "--no-amp"), "on CUDA it is on"
    tuned = {**settings(FinetuneConfig().loop), "seed": 1, "dense": "x", "teacher": None}
    assert options.of_fine_tuning(Lineage(seed=1), Lineage(), tuned, {})[-1] == "--no-amp"


def test_fine_tuning_on_other_data():
    def words(now, before):
        lineages = (Lineage(data=about and {"classes": 10, "images": [9, 9], **about}) for about in (now, before))
        return options.of_fine_tuning(*lineages, {"epochs": 20}, {})

    assert words({"name": "mnist"}, {"name": "mnist"}) == ()
    assert words({"name": "mnist"}, {"name": "digits"}) == ("--data", "mnist")
    assert words({"name": "mnist", "part": 5}, {"name": "mnist"}) == ("--images", "5")
    assert words({"name": "mnist"}, {"name": "mnist", "part": 5}) == ("--images", "0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ()),
        ({"num_classes": 12}, ("--num-classes", "12")),
        ({"input_size": (3, 16, 16)}, ("--input-size", "16")),
        ({"mean": (0.5, 0.5, 0.5)}, ("--mean", "0.5,0.5,0.5")),
        ({"source": "timm"}, ("--input-size", "8")),
    ],
)
def test_inputs_that_the_data_do_not_imply(change, words):
    spec = ModelSpec(**{**vars(SPEC), **change})
    lineage = Lineage.EMPTY.then("train", {}, model=spec.to_json(), data=ABOUT)
    assert options.of_training(lineage, {}, {})[2:] == words


def test_files_are_named_by_their_path_or_sum():
    paths = {"a" * 64: "a.safetensors"}
    teachers = [options.of_fine_tuning(Lineage(), Lineage(), {"teacher": t, "dense": "d" * 64}, paths)
                for t in ("a" * 64, "b" * 64, "d" * 64)]  # fmt: skip
    assert teachers == [("--teacher", "a.safetensors"), ("--teacher", f"FILE-{'b' * 12}"), ("--teacher", "dense")]


@pytest.mark.parametrize(
    "config",
    [
        {"sparsity": (0.5,), "scope": "global", "layers": "conv*", "exclude": "conv1", "min_keep": 0.1},
        {"layer_sparsity": (("fc*", 0.25), ("conv1", 0.5)), "storage": "bitmask"},
        {"sparsity": (0.5,), "structure": "filter", "compact": True, "method": "taylor", "images": 64, "split": "test"},
        {"structure": "2:4", "weights_key": "model"},
        {"sparsity": (0.5,), "adjust": True, "images": 64, "validation": 0.1},
    ],
    ids=str,
)
def test_pruning(config):
    wanted = PruneConfig(**config)
    recorded = {name: value for name, value in vars(wanted).items() if name in config and name != "sparsity"}
    recorded |= {"layer_sparsity": dict(wanted.layer_sparsity)} if wanted.layer_sparsity else {}
    words = options.of_pruning({"scope": "layer", "seed": None, **recorded, "rewind_to": "r" * 64}, {})
    assert words[-2:] == ("--rewind-to", f"FILE-{'r' * 12}")
    amount = ["--sparsity", "0.5"] if wanted.sparsity else []
    method = ["--method", wanted.method] if wanted.method else []
    assert config_of(PruneConfig, given("prune", [*amount, *method, *words[:-2]])) == wanted


def test_measuring(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    assert options.of_measuring(measures_of(records)) == [("--dist", "ap2,gaussian,student-t")]
