"""Options of `prune`: their ranges, the one amount that is given, and what goes together."""

import math

import pytest

from apcli.configs.prune import PruneConfig
from apcli.errors import UsageError


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"sparsity": (1.0,)}, "--sparsity"),
        ({"sparsity": (0.5, -0.1)}, "--sparsity"),
        ({"sparsity": (math.nan,)}, "--sparsity"),
        ({"sparsity": (0.5,), "seeds": (3, 1, 3)}, "--seeds"),
        ({"compression": (0.5,)}, "--compression"),
        ({"compression": (math.inf,)}, "--compression"),
        ({"budget": (("macs", 50.0),)}, "--budget macs"),
        ({"budget": (("params", 0.0),)}, "--budget params"),
        ({"budget": (("flops", 0.5),)}, "--budget"),
        ({"layer_sparsity": (("fc", 1.0),)}, "--layer-sparsity fc"),
        ({"sparsity": (0.5,), "min_keep": -1}, "--min-keep"),
        ({"sparsity": (0.5,), "storage": "zip"}, "--storage"),
        ({"sparsity": (0.5,), "compact": True}, "--compact"),
        ({"sparsity": (0.5,), "through_norms": True}, "--through-norms"),
        ({"sparsity": (0.5,), "split": "val"}, "--split"),
        *(({"structure": name, "sparsity": (0.5,)}, "--structure") for name in ("4:2", "channel", "Filter", "2:", "")),
    ],
)
def test_out_of_range(refuses, options, flag):
    refuses(PruneConfig, options, flag)


def test_ends_of_the_ranges():
    assert PruneConfig((0.0, math.nextafter(1, 0)), seeds=(0, 2**32 - 1)).sparsity[0] == 0
    assert PruneConfig(compression=(1.0,)).compression == (1.0,)


@pytest.mark.parametrize(
    "amount",
    [
        {"sparsity": (0.5,)},
        {"sparsity": (0.5,), "layer_sparsity": (("fc", 0.1),)},
        {"layer_sparsity": (("fc", 0.1),)},
        {"compression": (2.0,)},
        {"budget": (("macs", 0.5), ("params", 1.0))},
        {"structure": "2:4"},
        {"like": "a"},
        {"mask_from": "a"},
    ],
)
def test_one_amount_is_enough_and_most_pairs_are_too_many(amount):
    assert PruneConfig(**amount).storage == "dense"
    for more in ({"compression": (3.0,)}, {"mask_from": "b"}, {"structure": "1:4"}):
        if not more.keys() <= amount.keys():
            with pytest.raises(UsageError, match=r"the amount to remove is given by --.* and --"):
                PruneConfig(**amount, **more)


def test_no_amount_is_refused():
    with pytest.raises(UsageError, match="the amount to remove is not given: expected one of --sparsity"):
        PruneConfig()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask_from": "a", "method": "lowest"}, "--mask-from copies the other file's zeros"),
        ({"layer_sparsity": (("fc", 0.1),), "scope": "global"}, "leave --scope global out"),
        ({"structure": "2:4", "scope": "global"}, "--structure 2:4 fixes what each layer loses"),
        ({"structure": "2:4", "min_keep": 3}, "--structure 2:4 fixes what each layer keeps too: leave --min-keep out"),
        ({"like": "a", "min_keep": 3}, "--like a sets what each layer keeps too"),
        ({"mask_from": "a", "min_keep": 3}, "leave .* --min-keep out"),
        (
            {"budget": (("latency", 0.5),), "structure": "filter"},
            "--budget latency needs a table of this device's times",
        ),
        ({"budget": (("latency", 0.5),), "latency_table": "t"}, "zeros make no kernel faster: give --structure filter"),
        ({"budget": (("macs", 0.5),), "latency_table": "t"}, "to go with --budget latency=S"),
        ({"structure": "filter", "compression": (2.0,)}, "--structure filter goes with --sparsity"),
        ({"structure": "filter", "sparsity": (0.5,), "rewind_to": "a"}, "leave --compression and --rewind-to out"),
    ],
)
def test_what_does_not_go_together(options, words):
    with pytest.raises(UsageError, match=words):
        PruneConfig(**options)


@pytest.mark.parametrize(
    ("structure", "pattern"), [("2:4", (2, 4)), ("1:1024", (1, 1024)), ("weight", None), ("filter", None)]
)
def test_a_pattern_is_n_of_m(structure, pattern):
    amount = {} if pattern else {"sparsity": (0.5,)}
    config = PruneConfig(structure=structure, **amount)
    assert (config.pattern, config.is_filter, config.packed) == (pattern, structure == "filter", False)


@pytest.mark.parametrize("structure", ["4:4", "0:4", "1:1025", "2:", "a:4", "layer"])
def test_other_structures_are_refused(refuses, structure):
    refuses(PruneConfig, {"structure": structure, "sparsity": (0.5,)}, "--structure")
