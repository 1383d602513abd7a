"""Studies of two seeds, and of many measures."""

from dataclasses import replace

import pytest
from studies import variant, with_files

from apcli.records.checkpoint import LatencyFacts, MacsFacts
from apcli.records.divergence import Difference, Metrics, PerformanceDifference, TvBounds
from apcli.records.pair import File


@pytest.fixture(scope="session")
def small(make_grid):
    return make_grid(seeds=(0, 1), epochs=2, sparsities=(0.1, 0.5))


@pytest.fixture(scope="session")
def twelve_measures(make_grid):
    """Twelve measures of five dense networks.

    One orders the runs as PD does, one the other way about, and one is known for a few runs.
    """
    records = []
    for r in make_grid(seeds=range(5), epochs=0):
        losses = (Difference(difference.loss, 1.0) for difference in (r.pd.test, r.pd.train))
        records.append(replace(r, pd=PerformanceDifference(*losses)))
    kept = [*records]
    for index, name in enumerate(["ar1", "diag", "rows", "full", "fisher", "activation"]):
        kept += [
            replace(r, value=r.value * (1 + (hash_of(r) + index) % 3))
            for r in variant(records, "gaussian", params={"cov": name})
        ]
    kept += variant(records, "gaussian", dist="laplace", params={})
    kept += [replace(r, value=r.pd.test.loss) for r in variant(records, dist="predictive", params={})]
    kept += [replace(r, value=1 / r.value) for r in variant(records, dist="cauchy", params={})]
    kept += [r for r in variant(records, dist="few", params={}) if r.method == "lowest"]
    return kept  # fmt: skip


@pytest.fixture(scope="session")
def fourteen_measures(make_grid):
    """Fourteen measures, some of them estimates, some with bounds on total variation."""
    records = make_grid(seeds=(0,), epochs=1)
    kept = [*records]
    for index in range(11):
        for r in (r for r in records if r.dist == "gaussian"):
            value = r.value * (1 + (ord(r.pruned.sha256[index]) % 7))
            drawn = {"params": {"cov": f"kind-{index}"}, "value": value, "std_error": 0.25 if index == 10 else 0.0}
            kept.append(replace(r, **drawn, tv_bounds=TvBounds(None, 0.25, 0.75, 1.0)))
    return kept


def hash_of(record):
    return int(record.pruned.sha256[:6], 16)


@pytest.fixture(scope="session")
def honest(make_grid):
    """Records that pass every line of the checklist: three architectures, five dense networks, five sparsities."""
    grid = make_grid(seeds=(0, 1, 2, 3, 4), epochs=1, sparsities=(0.1, 0.3, 0.5, 0.7, 0.9))
    overall = [replace(r, scope="global", pruned=replace(r.pruned, sha256=r.pruned.sha256[::-1])) for r in grid]
    records = [r for r in grid if r.dist == "ap2"] + [r for r in variant(overall, "ap2") if r.method == "random"]
    macs = MacsFacts((3, 32, 32), dense=400, nonzero=200, without_weights=0, dense_file=400, theoretical_speedup=2.0)
    times = {"median": 0.1, "low": 0.1, "high": 0.1}
    latency = LatencyFacts(**times, runs=9, warmup=1, batch_size=1, input_size=(3, 32, 32), device="cpu", threads=1,
                           device_name=None, dtype="float32", dense=None, speedup=None, note="")  # fmt: skip
    files = with_files(records, layers=("conv", "fc"), macs=macs, latency=latency)
    return [*files, *(replace(r, model=model) for model in ("vgg11", "alexnet") for r in records)]


@pytest.fixture(scope="session")
def bare(make_grid):
    """One record of one file, without anything that a line of the checklist asks for."""
    (record, *_) = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    nothing = {"pd": PerformanceDifference(), "metrics": Metrics(), "dense": File("dense", None), "data": None}
    return [replace(record, method="taylor", scope="global", seed=None, **nothing)]
