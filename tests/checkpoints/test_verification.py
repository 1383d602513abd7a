"""A checkpoint is held to the zeros that its lineage promises."""

from pathlib import Path

import pytest
from small_files import TRAINED, entry

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.network_layers import LINEAR, LayerWeight, NetworkLayers
from apcli.checkpoints.promises import Link, Promise
from apcli.checkpoints.verification import broken_promises, check_input, verify_zeros
from apcli.errors import UsageError, VerificationError

HALF = {"a": Promise(2, 4)}
TIED = NetworkLayers((LayerWeight("a", LINEAR, tied=("b",)),))


def checkpoint(lineage: Lineage, **tensors) -> Checkpoint:
    return Checkpoint(Path("net.safetensors"), Path(), tensors, lineage)


@pytest.mark.parametrize("values", [[[0, 0], [1, 2]], [[0, -0.0], [0, 0]]])
def test_as_many_zeros_or_more_are_enough(values):
    lineage = TRAINED.then("prune", {}, pruned=HALF)
    verify_zeros(checkpoint(lineage, a=entry(values)))
    with pytest.raises(VerificationError):
        verify_zeros(checkpoint(lineage, a=entry([[0, 1], [1, 2]])))


@pytest.mark.parametrize("tensors", [{"a": entry([[0, 1], [1, 2]])}, {"other": entry([[0, 0]])}], ids=["lost", "gone"])
def test_fewer_are_named(tensors):
    found = checkpoint(TRAINED.then("prune", {}, pruned=HALF), **tensors)
    with pytest.raises(VerificationError, match=r"net\.safetensors: a has [01] zeros but its lineage promises 2: the"):
        verify_zeros(found)


def test_a_promise_is_of_every_name_of_a_tied_weight():
    lineage = TRAINED.then("prune", {}, pruned=HALF, layers=TIED)
    zeros = entry([[0, 0], [1, 2]])
    verify_zeros(checkpoint(lineage, a=zeros, b=zeros))
    with pytest.raises(VerificationError, match="b has 1 zeros"):
        verify_zeros(checkpoint(lineage, a=zeros, b=entry([[0, 3], [1, 2]])))


@pytest.mark.parametrize("path", ["gone", "hf:nobody/nothing", "a: b"])
def test_a_dense_file_that_is_not_at_hand_is_named_and_not_checked(path, caplog):
    lineage = TRAINED.then("prune", {}, dense=Link(path, "0" * 64))
    assert broken_promises(checkpoint(lineage)) == []
    assert caplog.messages == [f"the dense file {path} of net.safetensors is missing; it is not checked"]


def test_a_trace_is_no_input():
    whole = checkpoint(TRAINED, a=entry([[0, 1]]))
    check_input(whole)
    with pytest.raises(UsageError, match="is a trace of another checkpoint's layers: give the checkpoint itself"):
        check_input(checkpoint(TRAINED.of_trace(), a=entry([[0, 1]])))
    with pytest.raises(VerificationError):
        check_input(checkpoint(TRAINED.then("prune", {}, pruned=HALF), a=entry([[0, 1], [1, 2]])))
