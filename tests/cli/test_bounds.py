"""``apcli bounds``: the table, the records, and pipes."""

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def pair(shell: Any) -> None:
    draw = np.random.default_rng(3)
    a = {"p.weight": draw.standard_normal((2, 3)), "q.weight": draw.standard_normal((2, 2))}
    shell.save("a.safetensors", a)
    shell.save("b.safetensors", {name: weight * draw.integers(0, 2, weight.shape) for name, weight in a.items()})


def test_records_of_two_plain_files(shell: Any, pair: None) -> None:
    result = shell("bounds a b")
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert "bounds on PD are left out: the files do not say which network they are: give --model NAME" in result.err
    assert {(r["kind"], r["theory"]) for r in result.records} == {("bound", "ap3")}
    assert {r["layer"] for r in result.records} == {"p", "q", "*"}
    (exact,) = [r for r in result.records if r["layer"] == "*" and r["bound"]["statement"] == "equation 5"]
    a, b = (shell.tensors(name) for name in ("a.safetensors", "b.safetensors"))
    assert exact["bound"]["measured"] == pytest.approx(sum(float(np.sum((a[key] - b[key]) ** 2)) for key in a))
    assert exact["bound"]["verdict"] == "by construction"


def test_a_pipe_of_pruned_files(shell: Any, pair: None) -> None:
    pruned = shell("prune a --sparsity 0.3,0.6").raw
    records = shell("bounds", pruned).records
    assert [r["sparsity"]["requested"] for r in records] == sorted(r["sparsity"]["requested"] for r in records)
    assert {r["sparsity"]["requested"] for r in records} == {0.3, 0.6}


def test_wrong_requests(shell: Any, pair: None) -> None:
    shell.refuses("bounds a b --theory ap4", 2, "did you mean 'ap3'")
    shell.refuses("bounds a b --theory ap3:df=-1", 2, "df")
    shell.refuses("bounds a b --images -3", 2, "--images is -3")
    shell.refuses("bounds a", 2, "dense")
    shell.refuses("bounds a b --theory limit:eps=0.1", 2, "expected std or std-X or abs-X or rel-X")
    shell.refuses("bounds - -", 2, "given twice")


def test_below_the_table_stands_each_assumption_that_fails_with_its_first_reason(shell: Any, pair: None) -> None:
    text = shell("bounds a b", terminal="stdout").out
    assert text.count("AP2 is at most R times that of the layer before fails 2 times: W3: ") == 1
    assert text.count("1 / density is bounded fails once: W3: ") == 1


def test_no_two_rows_of_80_columns_look_alike(shell: Any, pair: None) -> None:
    """What a statement is of, which has no room there, is not needed to tell them apart; each theory has a table."""
    first, second = shell("bounds a b --theory ap3,ap3:scale=2", terminal="stdout").out.split("\nap3:scale=2.0: a")
    assert first.startswith("ap3: a.safetensors (dense) and b.safetensors\n")
    for table in (first, second):
        assert "quantity" in table.partition("no room for:")[2]
        named = [line[:46] for line in table.splitlines() if line[:3].strip() in ("p", "q", "*")]
        assert len(named) == len(set(named)) > 40


def test_a_theory_about_the_dense_file_alone_asks_for_its_network_and_no_other_file(shell: Any, pair: None) -> None:
    shell.refuses("bounds a --theory limit", 2, "--model")
    shell.refuses("bounds a --theory limit,ap3", 2, "dense")
