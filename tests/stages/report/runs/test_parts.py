"""Parts of the network: which runs prune mostly the same layers."""

from dataclasses import replace

import pytest
from studies import only_group

from apcli.stages.report.comparisons.agreement import agreements_by_epoch, agreements_of
from apcli.stages.report.comparisons.contrast import contrasts
from apcli.stages.report.comparisons.methods import method_comparisons
from apcli.stages.report.comparisons.ranking import rankings
from apcli.stages.report.runs.parts import parts_of, rivals


def of_layers(records, layers, times=1.0):
    """The records of files in which these layers were pruned, with AP that many times as large."""
    named = {"value": lambda r: times * r.value} if times != 1 else {}
    return [
        replace(r, layer=layer, pruned=replace(r.pruned, sha256="".join(layers) + r.pruned.sha256),
                **{name: of(r) for name, of in named.items()})
        for r in records for layer in (layers if r.layer == "fc" else ["*"])
    ]  # fmt: skip


@pytest.fixture(scope="module")
def last_and_whole(make_grid):
    """Each method at each sparsity of the last layer, and of three layers, whose AP are 1000 times as large."""
    last = make_grid(seeds=range(2), epochs=2)
    return last, of_layers(last, ("conv", "fc", "bn"), 1000.0)


def test_the_largest_part_is_first_and_two_of_three_layers_are_alike(small):
    whole, most = of_layers(small, ("conv", "fc", "bn")), of_layers(small, ("conv", "fc"))
    parts = parts_of(only_group([*small, *whole, *most]).runs)
    assert [(part.layers, len(part.runs)) for part in parts] == [(("conv", "fc", "bn"), 12), (("fc",), 6)]
    assert parts_of(()) == ()


def test_rivals_stand_at_one_sparsity_of_one_part(small):
    both = only_group([*small, *of_layers(small, ("conv", "fc", "bn"))])
    pairs = list(rivals(both))
    assert len(pairs) == 2 * len(list(rivals(only_group(small)))) == 2 * 2 * 3
    assert {first.sparsity for _, first, _ in pairs} == {second.sparsity for _, _, second in pairs} == {0.1, 0.5}
    assert all(len(first.trials[0].layers) == len(second.trials[0].layers) for _, first, second in pairs)


def test_runs_of_other_parts_are_in_no_pair(last_and_whole):
    """Both parts have the same order, so each count is twice that of one part, and tau is that of one part."""
    alone, both = only_group(last_and_whole[0]), only_group([r for part in last_and_whole for r in part])
    for compare in (agreements_of, agreements_by_epoch):
        single, double = [[a for a in compare(group) if a.over != "method"] for group in (alone, both)]
        assert len(single) == len(double) > 0
        for one, two in zip(single, double, strict=True):
            assert (one.over, one.about, one.sparsity) == (two.over, two.about, two.sparsity)
            assert (2 * one.pairs, 2 * one.agree, 2 * len(one.broken)) == (two.pairs, two.agree, len(two.broken))
            assert one.tau == pytest.approx(two.tau)
            assert all(("3 layers" in pair.low.name) == ("3 layers" in pair.high.name) for pair in two.broken)
    for compare in (method_comparisons, contrasts):
        assert len(compare(both)) == 2 * len(compare(alone)) > 0


def test_measures_that_differ_between_parts_alone_share_a_place(last_and_whole):
    """Whatever the factor between the parts, the measures order the runs of each alike."""
    last, whole = last_and_whole
    one = [*last, *whole]
    other = [replace(r, dist="laplace") for r in (*last, *of_layers(last, ("conv", "fc", "bn"), 0.001))]
    records = [r for r in (*one, *other) if r.dist in ("gaussian", "laplace")]
    assert rankings(agreements_of(only_group(records))) == [], "all of one order: nothing to rank"
