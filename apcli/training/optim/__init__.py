"""torch's optimisers and learning-rate schedules by name."""

from dataclasses import dataclass

from apcli.registry.ranges import INSIDE, NOT_NEGATIVE, ONE_OR_MORE, POSITIVE, Allowed, Numbers, Sums
from apcli.registry.tables import Row, Table

_MEMORY = Numbers(0, 1, under=True)  # the share that an average keeps of itself at each step
_RANGES: dict[str, Allowed] = {"nesterov": Numbers(0, 1), "eps": NOT_NEGATIVE, "rho": _MEMORY, "alpha": _MEMORY}


@dataclass(frozen=True)
class OptimiserRow(Row):
    """An optimiser of torch, with the features of its implementation.

    Attributes:
        has_momentum: ``momentum`` is one of its options.
        is_fused: it has an implementation with one kernel a step.
        is_capturable: it has an implementation that fits a CUDA graph.
    """

    has_momentum: bool = False
    is_fused: bool = False
    is_capturable: bool = False


def _optimiser(name: str, attribute: str, source: str, features: str = "", **parameters: float) -> OptimiserRow:
    return OptimiserRow(
        name,
        f"torch.optim:{attribute}",
        f"torch.optim.{attribute}",
        source,
        parameters=parameters,
        ranges={key: _RANGES[key] for key in parameters},
        has_momentum="momentum" in features,
        is_fused="fused" in features,
        is_capturable="capturable" in features,
    )


OPTIMISERS = Table(
    "optimiser",
    (
        _optimiser("sgd", "SGD", "Sutskever et al. 2013", "momentum fused", nesterov=0),
        _optimiser("adam", "Adam", "Kingma & Ba 2015, arXiv:1412.6980", "fused capturable", eps=1e-8),
        _optimiser("adamw", "AdamW", "Loshchilov & Hutter 2019, arXiv:1711.05101", "fused capturable", eps=1e-8),
        _optimiser("nadam", "NAdam", "Dozat 2016", "capturable", eps=1e-8),
        _optimiser("radam", "RAdam", "Liu et al. 2020, arXiv:1908.03265", "capturable", eps=1e-8),
        _optimiser("adamax", "Adamax", "Kingma & Ba 2015, arXiv:1412.6980", "capturable", eps=1e-8),
        _optimiser("adagrad", "Adagrad", "Duchi et al. 2011", eps=1e-10),
        _optimiser("adadelta", "Adadelta", "Zeiler 2012, arXiv:1212.5701", "capturable", rho=0.9, eps=1e-6),
        _optimiser("rmsprop", "RMSprop", "Hinton 2012, lecture 6e", "momentum capturable", alpha=0.99, eps=1e-8),
    ),
)

SCHEDULES = Table(
    "schedule",
    (
        Row(
            "cosine",
            "apcli.training.optim.lr_schedules:cosine",
            "half a cosine, from the rate to min_lr",
            "Loshchilov & Hutter 2017, arXiv:1608.03983",
            (),
            {"min_lr": 0.0},
            ranges={"min_lr": NOT_NEGATIVE},
            synonyms=("cosine-annealing", "cos"),
        ),
        Row(
            "step",
            "apcli.training.optim.lr_schedules:step",
            "times gamma at each milestone, given as 80+120 (epochs)",
            "He et al. 2016, arXiv:1512.03385, section 4.2",
            (),
            {"milestones": "30+60+90", "gamma": 0.1},
            ranges={"milestones": Sums(ONE_OR_MORE, "80+120"), "gamma": POSITIVE},
            synonyms=("multistep", "multi-step"),
        ),
        Row(
            "exponential",
            "apcli.training.optim.lr_schedules:exponential",
            "times gamma each epoch",
            "torch.optim.lr_scheduler.ExponentialLR",
            (),
            {"gamma": 0.95},
            ranges={"gamma": POSITIVE},
        ),
        Row(
            "linear",
            "apcli.training.optim.lr_schedules:linear",
            "a straight line from the rate to 0",
            "torch.optim.lr_scheduler.LinearLR",
        ),
        Row(
            "polynomial",
            "apcli.training.optim.lr_schedules:polynomial",
            "(1 - epoch / epochs) ^ power",
            "torch.optim.lr_scheduler.PolynomialLR",
            (),
            {"power": 2.0},
            ranges={"power": POSITIVE},
        ),
        Row(
            "one-cycle",
            "apcli.training.optim.lr_schedules:one_cycle",
            "by step: up to the rate for a share of all steps, then down to almost nothing; momentum goes against it",
            "Smith & Topin 2018, arXiv:1708.07120",
            ("steps",),
            {"up": 0.3, "start": 25.0, "end": 10000.0},
            ranges={"up": INSIDE, "start": ONE_OR_MORE, "end": ONE_OR_MORE},
        ),
        Row(
            "plateau",
            "apcli.training.optim.lr_schedules:plateau",
            "times factor where the loss (of --validation, else of train) has not fallen for patience epochs",
            "torch.optim.lr_scheduler.ReduceLROnPlateau",
            ("loss",),
            {"factor": 0.1, "patience": 10, "min_lr": 0.0},
            ranges={"factor": INSIDE, "patience": NOT_NEGATIVE, "min_lr": NOT_NEGATIVE},
        ),
        Row(
            "constant",
            "apcli.training.optim.lr_schedules:constant",
            "the rate as given",
            "torch.optim.lr_scheduler.ConstantLR",
        ),
    ),
)
