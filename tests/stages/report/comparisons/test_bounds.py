"""Statements: which records count, how far the bounds are, and what fails."""

from dataclasses import replace

import pytest
from studies import bound_record, only_group

from apcli.records.bound import VERDICTS, Assumption
from apcli.stages.report.comparisons.bounds import cells_of, statements_of

SMALL = Assumption("small", False, "it is 3")


def statements(*records):
    return statements_of(only_group(records))


def test_records_of_all_layers_together_stand_for_a_statement():
    layers = [bound_record(layer=layer, value=9.0) for layer in ("conv", "fc")]
    (one,) = statements(*layers, bound_record(value=4.0), bound_record(value=2.0, file="b"))
    assert (one.slacks, one.slack) == ((2.0, 4.0), 3.0)
    (by_layer,) = statements(*layers)
    assert len(by_layer.records) == 2, "there are no others"


def test_only_what_applies_has_a_ratio():
    (one,) = statements(
        bound_record(value=8.0), bound_record(value=0.5, file="b"), bound_record(value=5.0, file="c", trivial=3.0),
        bound_record(value=7.0, file="d", assumptions=(SMALL,)), bound_record(value=6.0, file="e", measured=None),
        bound_record(value=9.0, file="f", assumptions=(Assumption("smooth"),)),
        bound_record(value=1.0, file="g", by_construction=True),
    )  # fmt: skip
    assert one.slacks == (0.5, 8.0, 9.0)
    counted = {verdict: one.number(verdict) for verdict in VERDICTS}
    assert set(counted.values()) == {1}
    assert one.failing == ("small", 1)
    assert len(one.applied) == 3


def test_statements_of_other_theories_and_quantities_are_apart():
    found = statements(bound_record(), bound_record(of="AP2"), bound_record(theory="limit"), bound_record("lemma"))
    assert [(one.theory, one.name, one.quantity) for one in found] == [
        ("ap3", "corollary", "PD"), ("ap3", "corollary", "AP2"), ("limit", "corollary", "PD"), ("ap3", "lemma", "PD"),
    ]  # fmt: skip
    assert (found[0].standing, found[0].source, found[0].failing) == ("published", "a paper, Lemma 7", None)
    (nothing,) = statements(bound_record(value=float("inf")))
    assert (nothing.slack, nothing.slacks) == (None, ())
    assert found[0].slack == pytest.approx(2.0)


def test_a_file_counts_once_by_the_strictest_record_that_applies():
    fails = {"assumptions": (SMALL,)}
    (layers,) = statements(
        bound_record(value=0.1, layer="conv", **fails), bound_record(value=9.0, layer="fc"),
        bound_record(value=4.0, layer="head"), bound_record(value=0.5, layer="conv", file="b", **fails),
        bound_record(value=0.2, layer="fc", file="b", **fails),
    )  # fmt: skip
    assert [record.bound.value for record in layers.by_file.records] == [4.0, 0.2]
    assert [record.bound.value for record in layers.by_file.failed] == [0.2]
    assert layers.by_file.failed_slack == pytest.approx(0.2)
    (epochs,) = statements(*(replace(bound_record(value=value), epoch=n) for n, value in enumerate((5.0, 3.0, 7.0))))
    assert [record.bound.value for record in epochs.by_file.records] == [7.0], "of the last epoch"


def test_a_cell_is_a_file_with_its_bounds_on_pd():
    stated = statements(
        bound_record("lemma 2", 3.0), bound_record("margins", 0.4, of="PD (accuracy)", measured=0.2),
        bound_record("lemma 1", 5.0, of="AP2"), bound_record("lemma 2", 4.0, file="b", sparsity=0.8),
        bound_record("lemma 2", 6.0, file="c", measured=None),
    )  # fmt: skip
    a, b, c = cells_of(stated)
    assert (a.file, a.method, a.sparsity, a.measured) == ("a", "lowest", 0.5, {"PD": 1.0, "PD (accuracy)": 0.2})
    assert {about: record.bound.value for about, record in a.bounds.items()} == {
        ("lemma 2", "PD"): 3.0, ("margins", "PD (accuracy)"): 0.4,
    }  # fmt: skip
    assert (b.file, b.sparsity, list(b.bounds)) == ("b", 0.8, [("lemma 2", "PD")])
    assert c.measured == {}
    alike = [replace(record, pruned=replace(record.pruned, path=f"{place}/net.safetensors"))
             for place, record in zip("xy", [bound_record(), bound_record(file="b")], strict=True)]  # fmt: skip
    assert [cell.file for cell in cells_of(statements(*alike))] == ["x/net.safetensors", "y/net.safetensors"]
