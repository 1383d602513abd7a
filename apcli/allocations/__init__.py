"""Allocations: how many weights to remove, where (``--scope``) and when (``finetune --schedule``).

A scope names an allocation: a function of units (the weights of layers, or the channels of groups), a budget, and a
context with further facts, that returns the number of elements to remove from each unit (``allocations.allocate``).
Rows that need ``scores`` ask the context for them, so their counts are unknown before the elements are ranked; rows
that need ``activations`` have the network run on images; rows that need ``rows``, ``extents`` or ``ends`` apply to
single weights of layers, because channels have none of these. A user's own allocation is ``path/to/file.py:function``.

A sparsity schedule is a function of the number of optimiser steps, the initial and the final sparsity. It returns the
sparsity to reach before each step with an update, steps counted from 0. ``begin`` and ``end`` are shares of all steps;
``every`` is the number of steps from one update to the next.
"""

from apcli.registry.ranges import ANYTHING, ONE_OR_MORE, SHARE, Words
from apcli.registry.tables import Call, Own, Row, Table

SCOPES = Table(
    "scope",
    (
        Row(
            "layer",
            "apcli.allocations.scopes:layer",
            "each layer loses the same share",
            "Han et al. 2015, arXiv:1506.02626",
            synonyms=("local", "layerwise", "per-layer", "uniform"),
        ),
        Row(
            "global",
            "apcli.allocations.scopes:together",
            "all layers are ranked together",
            "Frankle & Carbin 2019, arXiv:1803.03635",
            ("scores",),
            synonyms=("all", "network"),
        ),
        Row(
            "output",
            "apcli.allocations.scopes:layer",
            "each output unit of each layer loses the same share of its inputs",
            "Sun et al. 2023, arXiv:2306.11695, section 3",
            ("rows",),
        ),
        Row(
            "erk",
            "apcli.allocations.scopes:erk",
            "Erdos-Renyi kernel: the kept share is in proportion to the sum over the product of a layer's extents",
            "Evci et al. 2020, arXiv:1911.11134, section 3",
            ("extents",),
            synonyms=("er", "erdos-renyi", "erdos-renyi-kernel"),
        ),
        Row(
            "uniform+",
            "apcli.allocations.scopes:uniform_plus",
            "the same share of all layers but the first, which stays whole, and the last, which keeps a fifth or more",
            "Gale et al. 2019, arXiv:1902.09574; named by Lee et al. 2021, arXiv:2010.07611",
            ("ends",),
            {"first": "auto", "last": "auto"},
            ranges={"first": ANYTHING, "last": ANYTHING},
        ),
        Row(
            "itpruner",
            "apcli.allocations.itpruner:itpruner",
            "layers that the others depend on little (nHSIC) keep more, by a convex program; made for --budget",
            "Zheng et al. 2025, IJCV 133:5455, arXiv:2108.08532, its program replaced",
            ("activations",),
            {
                "estimator": "debiased",
                "kernel": "linear",
                "spread": 3.0,
                "weight": "cost",
                "mode": "convex",
                "step": 1,
            },
            ranges={
                "estimator": Words(("debiased", "biased")),
                "kernel": Words(("linear", "rbf")),
                "spread": ONE_OR_MORE,
                "weight": Words(("cost", "one")),
                "mode": Words(("convex", "released")),
                "step": ONE_OR_MORE,
            },
            synonyms=("nhsic", "hsic", "cka", "information"),
        ),
    ),
    Own({"": Call(("units", "budget", "context"), ("scores", "activations"))}),
)

SPARSITY_SCHEDULES = Table(
    "sparsity schedule",
    (
        Row(
            "cubic",
            "apcli.allocations.ramps:cubic",
            "fast at first, then slower: the gap to the final sparsity falls as (1 - t)^3",
            "Zhu & Gupta 2017, arXiv:1710.01878, equation (1)",
            (),
            {"begin": 0.0, "end": 0.75, "every": 10},
            ranges={"begin": SHARE, "end": SHARE, "every": ONE_OR_MORE},
        ),
        Row(
            "linear",
            "apcli.allocations.ramps:linear",
            "a straight line to the final sparsity",
            "Zhu & Gupta 2017, arXiv:1710.01878, equation (1) with power 1",
            (),
            {"begin": 0.0, "end": 0.75, "every": 10},
            ranges={"begin": SHARE, "end": SHARE, "every": ONE_OR_MORE},
        ),
        Row(
            "one-shot",
            "apcli.allocations.ramps:one_shot",
            "the final sparsity at once",
            "Han et al. 2015, arXiv:1506.02626, without its iterations",
            (),
            {"begin": 0.0},
            ranges={"begin": SHARE},
        ),
    ),
)
