"""The training loop's options, each declared once, for every command that trains."""

from typing import Annotated, Any

import typer

from apcli.cli.options import shared
from apcli.cli.options.completion import of_tables
from apcli.data.augmentations import AUGMENTATIONS
from apcli.registry.tables import Table
from apcli.training.optim import OPTIMISERS, SCHEDULES


def _option(
    kind: object,
    *names: str,
    metavar: str | None = None,
    help: str | None = None,
    table: Table[Any] | None = None,
) -> object:
    complete = None if table is None else of_tables(table)
    return Annotated[kind, typer.Option(*names, metavar=metavar, help=help, autocompletion=complete)]


# By group and keyword.
LOOP = {
    "Schedule": {
        "epochs": _option(int, "--epochs", metavar="N", help="0 only evaluates"),
        "eval_only": _option(bool, "--eval-only", help="the same as --epochs 0"),
        "batch_size": shared.BatchSize,
        "sched": _option(
            str,
            "--sched",
            metavar="NAME",
            table=SCHEDULES,
            help=f"learning-rate schedule: {', '.join(SCHEDULES.names)}",
        ),
        "min_lr": _option(
            float | None,
            "--min-lr",
            metavar="RATE",
            help="the same as --sched cosine:min_lr=RATE, or plateau:min_lr=RATE",
        ),
        "warmup_epochs": _option(
            float, "--warmup-epochs", metavar="N", help="raise the rate from 0 over the first N epochs"
        ),
        "patience": _option(int | None, "--patience", metavar="N", help="stop N evaluations after the best"),
        "keep": _option(
            str | None,
            "--keep",
            metavar="best|last",
            help="which epoch's weights are the result; default: best with --patience, else last",
        ),
    },
    "Images and evaluation": {
        "images": _option(
            int | None,
            "--images",
            metavar="N",
            help="train on N images, the same number of each class; default: the file's, else all (0)",
        ),
        "validation": _option(
            float,
            "--validation",
            metavar="SHARE",
            help="of the training images, held out for --keep best, --patience and plateau",
        ),
        "split": _option(str, "--split", metavar="test|train|train,test", help="which images to evaluate on"),
        "eval_every": _option(int, "--eval-every", metavar="N", help="evaluate every N epochs and after the last"),
    },
    "Optimiser": {
        "opt": _option(
            str,
            "--opt",
            metavar="NAME",
            table=OPTIMISERS,
            help=f"optimiser of torch.optim: {', '.join(OPTIMISERS.names)}",
        ),
        "lr": _option(
            float | None,
            "--lr",
            metavar="RATE",
            help="learning rate; default: 0.1, or 0.01 for AlexNet, VGG, fc5 and fc12",
        ),
        "momentum": _option(float | None, "--momentum", metavar="M", help="default: 0.9, for sgd and rmsprop"),
        "weight_decay": _option(float, "--weight-decay", "--wd", metavar="W", help="0.0005 is usual for CIFAR"),
        "decay": _option(
            str, "--decay", metavar="all|weights", help="which parameters decay: all, or the layers' weights only"
        ),
        "clip_grad": _option(float | None, "--clip-grad", metavar="NORM", help="shorten longer gradients to this norm"),
        "layer_decay": _option(
            float | None,
            "--layer-decay",
            metavar="X",
            help="of the learning rate, from each layer or block to the one before it; 0.75 is usual for transformers",
        ),
        "l1": _option(
            float,
            "--l1",
            metavar="LAMBDA",
            help="add LAMBDA times the sum of |w| to the loss, which leaves exact zeros; 5e-5 is usual, 0 is off",
        ),
        "l1_form": _option(
            str,
            "--l1-form",
            metavar="proximal|subgradient",
            help="shrink the layers' weights after each step, which leaves exact zeros; or add LAMBDA sign(w) to the "
            "gradients of all weights and biases, as arXiv:2306.05857",
        ),
        "accumulate": _option(
            int, "--accumulate", metavar="N", help="compute each batch in N parts, which takes less memory"
        ),
        "ema": _option(float | None, "--ema", metavar="DECAY", help="keep and measure the weights' moving average"),
    },
    "Augmentation and regularisation": {
        "augment": _option(
            str | None,
            "--augment",
            metavar="LIST",
            table=AUGMENTATIONS,
            help=f"{', '.join(AUGMENTATIONS.names)} or none; default: by data",
        ),
        "mixup": _option(float, "--mixup", metavar="ALPHA", help="mix images in pairs; 0.2 is usual, 0 is off"),
        "cutmix": _option(float, "--cutmix", metavar="ALPHA", help="paste parts of images; 1 is usual, 0 is off"),
        "label_smoothing": _option(
            float, "--label-smoothing", metavar="SHARE", help="share of a label spread over all classes"
        ),
        "drop_path": _option(
            float | None,
            "--drop-path",
            metavar="P",
            help="probability that the deepest residual block is left out of a step; for networks that can",
        ),
    },
    "Teacher": {
        "teacher": _option(
            str | None,
            "--teacher",
            metavar="FILE",
            help="also learn from this network's outputs; dense: the dense ancestor's",
        ),
        "distill": _option(float, "--distill", metavar="SHARE", help="the teacher's share of the loss"),
        "temperature": _option(float, "--temperature", metavar="T", help="divides the logits of both, to soften them"),
    },
    "Stopping and logs": {
        "resume": _option(bool, "--resume/--no-resume", help="resume from the saved state of a stopped run, if any"),
        "checkpoint_every": _option(
            float,
            "--checkpoint-every",
            metavar="N",
            help="epochs between saved states, such as 1 or 0.1; 0: when stopped",
        ),
        "log_interval": _option(
            int | None,
            "--log-interval",
            metavar="N",
            help="print loss and accuracy every N epochs, 0: never; default: 1 where standard error is no terminal",
        ),
        "log_dir": _option(str | None, "--log-dir", metavar="DIR", help="write TensorBoard logs there"),
    },
    "Device": {
        "device": shared.Device,
        "amp": _option(bool | None, "--amp/--no-amp", help="compute in bfloat16 where safe; default: on CUDA"),
        "compile": _option(bool, "--compile/--no-compile", help="compile the network first, by torch.compile"),
        "cuda_graph": _option(
            bool | None,
            "--cuda-graph/--no-cuda-graph",
            help="record a step as a CUDA graph; default: on CUDA, if the step can be captured",
        ),
        "deterministic": _option(
            bool, "--deterministic/--no-deterministic", help="use deterministic CUDA kernels only"
        ),
    },
}
