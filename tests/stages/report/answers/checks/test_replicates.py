"""Checks of the replicates, where each passes and where it fails, with the reason."""

from dataclasses import replace

from studies import relineaged, with_files

from apcli.stages.report.answers.checks import replicates
from apcli.stages.report.answers.checks.evidence import Evidence
from apcli.stages.report.runs.experiment import build


def evidence(records):
    report = build(records)
    return Evidence(report, report.groups[0])


def test_seeds(make_grid):
    grid = {"epochs": 0, "sparsities": (0.1,)}
    many, two = (evidence(make_grid(seeds=seeds, **grid)) for seeds in ((0, 1, 2, 3, 4), (0, 7)))
    assert replicates.seeds(many) == (True, "5 seeds: 0, 1, 2 and 2 others, one for each dense network")
    assert replicates.seeds(two) == (
        False,
        "only 2 seeds: 0 and 7, one for each dense network (3 are usual, and give an interval)",
    )
    unknown = [replace(r, seed=None) for r in make_grid(seeds=(0,), **grid)]
    assert replicates.seeds(evidence(unknown)) == (False, "only 0 seeds (3 are usual, and give an interval)")


def test_networks(make_grid):
    five, two = (evidence(make_grid(seeds=seeds, epochs=0, sparsities=(0.1,))) for seeds in ((0, 1, 2, 3, 4), (0, 7)))
    assert replicates.networks(five) == (True, "5 dense networks")
    assert replicates.networks(two) == (False, "only 2 dense networks (with 5 there are intervals)")


def test_networks_that_were_trained_on_from_one_are_no_trainings_of_their_own(make_grid):
    records = with_files(make_grid(seeds=(0, 1, 2, 3, 4), epochs=0, sparsities=(0.1,)))
    assert replicates.networks(evidence(records)) == (True, "5 dense networks")

    def from_the_first(file):
        first, is_dense = f"{0:064x}", file.lineage["stage"] == "train"
        parent = {"path": "first.safetensors", "sha256": first}
        return file.lineage | {"parent": parent} if is_dense and file.sha256 != first else file.lineage

    passed, reason = replicates.networks(evidence(relineaged(records, from_the_first)))
    assert not passed
    assert reason.startswith("5 dense networks from 1 start: some were trained on from the same weights")


def test_spread(small):
    assert replicates.spread(evidence(small)) == (True, "over 2 files a run")
    single = [r for r in small if (r.method, r.seed) != ("random", 1)]
    assert replicates.spread(evidence(single)) == (False, "2 of 6 runs are a single file")
