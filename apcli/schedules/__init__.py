"""Sparsity schedules (``finetune --schedule``): how the zeros become more while a network is trained.

A row's function takes the number of optimiser steps and the sparsities to begin and to end with; it gives the sparsity
to go to before each step that has an update, steps counted from 0. ``begin`` and ``end`` are shares of all steps,
``every`` is the number of steps from one update to the next.
"""

from apcli.ranges import ONE_OR_MORE, SHARE
from apcli.registry import Row, Table

SPARSITY_SCHEDULES = Table(
    "sparsity schedule",
    (
        Row(
            "cubic",
            "apcli.schedules.ramps:cubic",
            "fast at first, then ever slower: the gap to the final sparsity falls as (1 - t)^3",
            "Zhu & Gupta 2017, arXiv:1710.01878, equation (1)",
            (),
            {"begin": 0.0, "end": 0.75, "every": 10},
            ranges={"begin": SHARE, "end": SHARE, "every": ONE_OR_MORE},
        ),
        Row(
            "linear",
            "apcli.schedules.ramps:linear",
            "a straight line to the final sparsity",
            "Zhu & Gupta 2017, arXiv:1710.01878, equation (1) with power 1",
            (),
            {"begin": 0.0, "end": 0.75, "every": 10},
            ranges={"begin": SHARE, "end": SHARE, "every": ONE_OR_MORE},
        ),
        Row(
            "one-shot",
            "apcli.schedules.ramps:one_shot",
            "the final sparsity at once",
            "Han et al. 2015, arXiv:1506.02626, without its iterations",
            (),
            {"begin": 0.0},
            ranges={"begin": SHARE},
        ),
    ),
)
