"""The stage: which records, about what, and what it refuses."""

import pytest
from short_trainings import quiet

from apcli.checkpoints.reading import read
from apcli.configs.bounds import BoundsConfig
from apcli.errors import UsageError
from apcli.records import lines
from apcli.registry.ranges import POSITIVE
from apcli.registry.tables import Row
from apcli.stages.bounds import THEORIES, about_dense_alone
from apcli.stages.bounds.networks import Pairs
from apcli.stages.bounds.stage import Bounds


def records(dense, pruned, **options):
    config = BoundsConfig(**{"device": "cpu", **options})
    return list(Bounds(config, lambda: Pairs(config, quiet), quiet).records(read(dense), read(pruned)))


def test_a_record_has_the_files_the_pruning_and_the_statement(dense, pruned):
    found = records(dense, pruned, images=30)
    assert {(r.theory, r.model, r.data, r.method, r.scope) for r in found} == {
        ("ap3", "fc5", "digits", "lowest", "layer")
    }
    assert {r.layer for r in found} == {"fc4", "fc5", "*"}
    assert all(r.dense.sha256 == read(dense).sha256 and r.pruned.sha256 == read(pruned).sha256 for r in found)
    assert all(r.sparsity.requested == 0.5 for r in found)
    on_networks = {r.bound.quantity for r in found if r.evaluated is not None}
    assert on_networks == {"PD"}
    assert not any(r.evaluated is None and r.bound.quantity == "PD" for r in found)
    assert list(lines.load([lines.dump(r.to_json()) for r in found], "f")) == found


def test_a_new_row_is_a_theory(dense, pruned):
    here = "measured_pairs:one_statement"
    row = Row("own", here, "a test", "a test", parameters={"size": 1.0}, ranges={"size": POSITIVE})
    with THEORIES.adding(row):
        (one,) = records(dense, pruned, theory="own:size=99", images=30)
        assert (one.theory, one.params, one.layer) == ("own", {"size": 99.0}, "fc4")
        assert one.evaluated == {"data": "digits", "split": "test", "images": 30, "seed": 0}
        assert (one.bound.verdict, one.bound.value) == ("holds", 99.0)
        (both, *_) = records(dense, pruned, theory="own,ap3", images=30)
        assert both.theory == "own"


def test_what_is_refused(dense, pruned):
    with pytest.raises(UsageError, match="give the dense file first"):
        records(pruned, dense)
    with pytest.raises(UsageError, match="named twice"):
        Bounds(BoundsConfig("ap3,ap3"), Pairs, quiet)
    with pytest.raises(UsageError, match=r"unknown theory 'ap4'.*did you mean 'ap3'"):
        Bounds(BoundsConfig("ap4"), Pairs, quiet)


def test_which_theories_a_dense_file_is_enough_for():
    assert about_dense_alone("limit:eps=rel-0.1")
    assert not about_dense_alone("ap3")
    assert not about_dense_alone("limit,ap3")
    with pytest.raises(UsageError, match="eps"):
        about_dense_alone("limit:eps=0.1")
