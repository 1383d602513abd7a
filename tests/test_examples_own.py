"""Methods, allocations and distributions of one's own go through the stages, identified by their code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import apcli
from apcli.records import lines
from apcli.registry.outside import sha256_of

EXAMPLE = Path(__file__).parents[1] / "examples" / "02-own-criterion.py"
OWN = '''
from apcli.theory.distributions.gaussian import GaussianPair

def twice(shift, *, variance=2.0):
    """Gaussians of a larger variance."""
    return Twice(shift, variance)

class Twice(GaussianPair):
    def __init__(self, shift, variance):
        super().__init__(shift)
        object.__setattr__(self, "variance", variance)

    def kl(self):
        return super().kl() / self.variance

def first_layers(units, budget, context, *, spared="b"):
    """All goes from the layers that are not spared."""
    left = round(budget.share(units) * sum(unit.size for unit in units))
    counts = {}
    for unit in sorted(units, key=lambda unit: unit.name == spared):
        counts[unit.name] = min(left, unit.most)
        left -= counts[unit.name]
    return counts

def lowest_together(units, budget, context):
    return context.lowest(round(budget.share(units) * sum(unit.size for unit in units)))
lowest_together.needs = ("scores",)
def too_few(units, budget, context): return {unit.name: 1 for unit in units}
def of_floats(units, budget, context): return {unit.name: unit.size * budget.share(units) for unit in units}
def without_asking(units, budget, context): return lowest_together(units, budget, context)

def half(weight): return weight[:1]
def unknown(weight): return weight * float("nan")
def fails(weight): return weight.no_such_thing
def norms(group): return (group.filters[:] ** 2).sum(axis=1)
def one_too_many(group): return [1.0, *norms(group)]
def on_images(subject):
    return {n: abs(p.detach().cpu().numpy()) for n, p in subject.model.named_parameters() if n in subject.tensors}
on_images.needs = ("network", "data")
def of_none(subject): return {}
of_none.needs = ("network", "data")
'''


@pytest.fixture
def dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(3)
    weights = {name: draw.standard_normal(shape) for name, shape in {"a.weight": (8, 6), "b.weight": (4, 8)}.items()}
    save_file({name: weight.astype(np.float32) for name, weight in weights.items()}, "dense.safetensors")
    Path("own.py").write_text(OWN)
    return Path("dense.safetensors")


def test_the_example_prunes_as_it_says(dense):
    [pruned] = apcli.prune(dense, method=f"{EXAMPLE}:for_its_unit", sparsity=0.5)
    assert pruned.path.name == "dense.02-own-criterion-for_its_unit-0.5.safetensors"
    for name, weight in load_file(dense).items():
        score = np.abs(weight) / np.abs(weight).mean(axis=1, keepdims=True)
        assert np.array_equal(load_file(pruned)[name] != 0, score > np.median(score))


def test_the_record_says_which_code_it_was(dense):
    [pruned] = apcli.prune(dense, method=f"{EXAMPLE}:for_its_unit:power=2", sparsity=0.5)
    [record] = apcli.divergence(dense, pruned, dist="ap2", level="network")
    method = f"02-own-criterion.py:for_its_unit@{sha256_of(EXAMPLE)[:12]}:power=2.0"
    assert record.method == method


def test_another_code_of_that_name_is_another_run(dense):
    mine = Path("mine.py")
    mine.write_text("def f(weight): return abs(weight)\n")
    first = apcli.prune(dense, method="mine.py:f", sparsity=0.5)
    assert apcli.prune(dense, method="mine.py:f", sparsity=0.5)[0].sha256 == first[0].sha256
    mine.write_text("def f(weight): return -abs(weight)\n")
    with pytest.raises(apcli.UsageError, match="exists"):
        apcli.prune(dense, method="mine.py:f", sparsity=0.5)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("half", "scores of shape 1x6 for 8x6: expected one score for each weight"),
        ("unknown", "a NaN score"),
        ("fails", "AttributeError: 'numpy.ndarray' object has no attribute 'no_such_thing'"),
    ],
)
def test_a_wrong_criterion_writes_nothing(dense, function, words):
    with pytest.raises(apcli.ApcliError) as caught:
        apcli.prune(dense, method=f"own.py:{function}", sparsity=0.5)
    assert words in str(caught.value)
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["dense.safetensors", "own.py"]


def test_an_allocation_says_how_many_go_and_the_lineage_says_which_it_was(dense):
    [pruned] = apcli.prune(dense, scope="own.py:first_layers:spared=a", sparsity=0.25)
    zeros = {name: int((weight == 0).sum()) for name, weight in load_file(pruned).items()}
    assert zeros == {"a.weight": 0, "b.weight": 20}
    [record] = apcli.divergence(dense, pruned, dist="ap2", level="network")
    assert record.scope == f"own.py:first_layers@{sha256_of(Path('own.py'))[:12]}:spared=a"
    with pytest.raises(apcli.UsageError, match="exists"):
        apcli.prune(dense, sparsity=0.25)
    [own] = apcli.prune(dense, scope="own.py:lowest_together", sparsity=0.5)
    [same] = apcli.prune(dense, scope="global", sparsity=0.5, output="global/")
    assert all(np.array_equal(weight, load_file(own)[name]) for name, weight in load_file(same).items())


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("too_few", "removes 2 in all: expected 40, by the budget"),
        ("of_floats", "gives 24.0 for a: expected a number to 48"),
        ("without_asking", "ValueError: scores are not known here"),
        ("nothing", "has no function 'nothing'"),
        ("half", "expected (units, budget, context)"),
    ],
)
def test_a_wrong_allocation_writes_nothing(dense, function, words):
    with pytest.raises(apcli.ApcliError) as caught:
        apcli.prune(dense, scope=f"own.py:{function}", sparsity=0.5)
    assert words in str(caught.value)
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["dense.safetensors", "own.py"]


@pytest.mark.slow
def test_a_criterion_on_the_network_and_one_of_channels(dense):
    [network] = apcli.train("fc5", data="digits", epochs=0, device="cpu")
    where: dict[str, Any] = {"device": "cpu", "images": 32, "sparsity": 0.5}
    [own] = apcli.prune(network, method="own.py:on_images", **where)
    [lowest] = apcli.prune(network, method="lowest", sparsity=0.5)
    assert all(np.array_equal(weight, load_file(own)[name]) for name, weight in load_file(lowest).items())
    with pytest.raises(apcli.ApcliError, match="gives no scores of"):
        apcli.prune(network, method="own.py:of_none", **where)
    channels: dict[str, Any] = {"structure": "filter", "sparsity": 0.5, "device": "cpu"}
    [own] = apcli.prune(network, method="own.py:norms", **channels)
    [l2] = apcli.prune(network, method="l2", **channels)
    assert all(np.array_equal(weight, load_file(own)[name]) for name, weight in load_file(l2).items())
    with pytest.raises(apcli.ApcliError, match="expected one for each of its"):
        apcli.prune(network, method="own.py:one_too_many", **channels)


def test_a_distribution_takes_what_the_families_of_the_table_take(dense):
    [pruned] = apcli.prune(dense, sparsity=0.5)
    gaussian, own, wider = (
        record.value
        for spec in ("gaussian:cov=diag", "own.py:twice:cov=diag", "own.py:twice:variance=4:cov=diag")
        for record in apcli.divergence(dense, pruned, dist=spec, level="network")
    )
    assert own == gaussian / 2
    assert wider == gaussian / 4


@pytest.mark.slow
def test_a_report_of_a_distribution_of_ones_own(dense):
    found = list(apcli.divergence(apcli.prune(dense, sparsity=[0.3, 0.6]), dist="own.py:twice"))
    Path("own.py").unlink()  # records only name it
    assert "own.py:twice@" in apcli.report_html(found)
    assert all("own.py:twice@" in lines.dump(record.to_json()) for record in found)
