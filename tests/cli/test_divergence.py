"""``apcli divergence a b``: values against oracles, on files of every origin."""

import json
import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

LAYERS = ("conv", "fc1", "fc2")
FIELDS = {
    *("kind", "version", "model", "data", "seed", "dense", "pruned", "method", "scope", "sparsity", "layer", "dim"),
    *("epoch", "dist", "params", "measure", "estimator", "value", "std_error", "pd"),
}


def student_t_kl(distance: float, df: float, dim: int) -> float:
    """KL of two multivariate Student-t laws of unit scale, from its definition.

    E_p[log p - log q] over x = (u, v): u along the line between the two centres, v the radius across it.
    """
    half = mpmath.mpf(df + dim) / 2
    sphere = 2 * mpmath.pi ** (mpmath.mpf(dim - 1) / 2) / mpmath.gamma(mpmath.mpf(dim - 1) / 2)
    constant = mpmath.gamma(half) / mpmath.gamma(mpmath.mpf(df) / 2) / (df * mpmath.pi) ** (mpmath.mpf(dim) / 2)
    # u = r cos t, v = r sin t, r = sqrt(df) tan s
    nodes, weights = np.polynomial.legendre.leggauss(160)
    t, wt = (nodes + 1) * math.pi / 2, weights * math.pi / 2
    s, ws = (nodes + 1) * math.pi / 4, weights * math.pi / 4
    r = math.sqrt(df) * np.tan(s)
    power = df + dim
    density = float(constant * sphere) * df ** (dim / 2) * np.sin(s) ** (dim - 1) * np.cos(s) ** (power - dim - 1)
    across = np.sin(t) ** (dim - 2)
    u = r[:, None] * np.cos(t)[None, :]
    gain = power / 2 * np.log1p((distance**2 - 2 * distance * u) / (df + r[:, None] ** 2))
    return float(ws * density @ gain @ (wt * across))


@pytest.fixture
def pair(shell: Any) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Files a and b with two layers of a size that the oracle can integrate over."""
    draw = np.random.default_rng(3)
    a = {"p.weight": draw.standard_normal((2, 3)), "q.weight": draw.standard_normal((2, 2, 1, 2))}
    b = {name: weight * draw.integers(0, 2, weight.shape) for name, weight in a.items()}
    shell.save("a.safetensors", a)
    shell.save("b.safetensors", b)
    return a, b


@pytest.mark.parametrize("command", ["a b", "a.safetensors b.safetensors", "a b.safetensors", "b --dense a"])
def test_student_t_of_two_plain_files(shell: Any, pair: Any, command: str) -> None:
    a, b = pair
    result = shell(f"divergence {command} --dist student-t")
    assert (result.code, result.err) == (0, "")
    moved = {name.removesuffix(".weight"): float(np.linalg.norm(a[name] - b[name])) for name in a}
    moved["*"] = math.hypot(*moved.values())
    dims = {"p": 6, "q": 8, "*": 14}
    assert [record["layer"] for record in result.records] == ["p", "q", "*"]
    for record in result.records:
        layer = record["layer"]
        assert record["dim"] == dims[layer]
        assert record["params"] == {
            "df": 4.0,
            "pruned_df": "same",
            "cov": "identity",
            "scale": 1.0,
            "pruned_scale": "same",
            "groups": 0,
        }
        assert record["value"] == pytest.approx(student_t_kl(moved[layer], 4, dims[layer]), rel=1e-9)


@pytest.mark.parametrize(("df", "scale"), [(1, 1.0), (3, 0.5), (30, 2.0)])
def test_student_t_takes_its_parameters(shell: Any, pair: Any, df: int, scale: float) -> None:
    a, b = pair
    record = shell(f"divergence a b --dist student-t:df={df}:scale={scale} --layers p").records[0]
    distance = float(np.linalg.norm(a["p.weight"] - b["p.weight"])) / scale
    assert record["value"] == pytest.approx(student_t_kl(distance, df, 6), rel=1e-8)
    assert (record["params"]["df"], record["params"]["scale"]) == (df, scale)


def test_ap2_and_gaussian_of_two_plain_files(shell: Any, pair: Any) -> None:
    a, b = pair
    records = shell("divergence a b --dist ap2,gaussian:scale=2").records
    given = {(record["dist"], record["layer"]): record["value"] for record in records}
    for name in a:
        squared = float(np.square(a[name] - b[name]).sum())
        assert given["ap2", name[0]] == pytest.approx(squared, rel=1e-14)
        assert given["gaussian", name[0]] == pytest.approx(squared / 8, rel=1e-14)
    assert given["ap2", "*"] == pytest.approx(given["ap2", "p"] + given["ap2", "q"], rel=1e-14)


def test_gaussian_of_a_diagonal_covariance(shell: Any, a: Path, plain: dict[str, np.ndarray]) -> None:
    shell("prune a --sparsity 0.5")
    pruned = shell.tensors("a.lowest-0.5.safetensors")
    records = shell("divergence a a.lowest-0.5 --dist gaussian:cov=diag").records
    for record in (record for record in records if record["layer"] != "*"):
        before = plain[f"{record['layer']}.weight"].astype(float)
        rows = before.reshape(len(before), -1)
        spread = rows.var(axis=0, ddof=1)
        shrunk = ((len(rows) - 1) * spread + spread.mean()) / len(rows)
        moved = (before - pruned[f"{record['layer']}.weight"]).reshape(rows.shape)
        assert record["value"] == pytest.approx(float((moved**2 / shrunk).sum() / 2), rel=1e-12)


def test_the_lines_as_users_write_them(shell: Any, plain: dict[str, np.ndarray]) -> None:
    shell.save("model.safetensors", plain)
    made = shell("prune model.safetensors --method highest --sparsity 0.3")
    assert (made.code, made.lines) == (0, ["model.highest-0.3.safetensors"])
    shell.save("b.safetensors", shell.tensors("model.highest-0.3.safetensors"))  # the same, without lineage
    with_lineage, without, inverse = (
        shell(f"divergence {names} --dist student-t").records
        for names in ("model model.highest-0.3", "model b", "b.safetensors model")
    )
    assert [record["value"] for record in with_lineage] == [record["value"] for record in without]
    assert [record["value"] for record in inverse] == [record["value"] for record in without]
    assert all(record["value"] > 0 for record in without)
    assert {record["method"] for record in with_lineage} == {"highest"}


def test_by_lineage_only_the_pruned_layers_are_compared(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3 --layers fc1,fc2")
    assert {r["layer"] for r in shell("divergence a.lowest-0.3-fc1+fc2").records} == {"fc1", "fc2", "*"}
    assert {r["layer"] for r in shell("divergence a.lowest-0.3-fc1+fc2 --layers all").records} == {*LAYERS, "*"}
    assert {r["layer"] for r in shell("divergence a.lowest-0.3-fc1+fc2 --exclude fc1").records} == {"fc2", "*"}


def test_a_record_says_what_is_known_and_null_for_the_rest(shell: Any, a: Path) -> None:
    shell("prune a --sparsity 0.3 --method random --scope global --seed 5")
    lines = shell("divergence a.random-0.3 --dist ap2").lines
    record = json.loads(lines[-1])
    assert record.keys() >= FIELDS
    zeros = sum(
        int((tensor == 0).sum())
        for name, tensor in shell.tensors("a.random-0.3.safetensors").items()
        if "weight" in name
    )
    assert record["sparsity"] == {"requested": 0.3, "actual": zeros / 1572}
    assert (record["method"], record["scope"]) == ("random", "global")
    assert record["layer"] == "*"
    assert record["dim"] == 1572
    assert [record[key] for key in ("model", "data", "epoch")] == [None, None, None]
    assert record["pd"] == {"test": None, "train": None}
    assert (record["estimator"], record["std_error"]) == ("exact", 0.0)
    for part in ("dense", "pruned"):
        assert len(record[part]["sha256"]) == 64
    plain = shell("divergence a a --dist ap2").records[0]
    assert [plain[key] for key in ("model", "data", "seed", "method", "scope")] == [None] * 5
    assert plain["sparsity"] == {"requested": None, "actual": 0.0}
    assert plain["value"] == 0


def test_a_value_beyond_every_number_is_null(shell: Any) -> None:
    """1e300 squared is not a float: the record stays valid JSON."""
    shell.save("big.safetensors", {"fc.weight": np.full((3, 3), 1e300)})
    shell.save("small.safetensors", {"fc.weight": np.zeros((3, 3))})
    result = shell("divergence big small --dist ap2,gaussian")
    assert result.code == 0, result.err
    assert {record["value"] for record in result.records} == {None}
    assert ["is infinite" in line for line in result.complaints] == [True, True]  # of AP2, of the Gaussian


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_half_and_double_precision_files(shell: Any, plain: dict[str, np.ndarray], dtype: type) -> None:
    weight = plain["fc1.weight"].astype(dtype)
    shell.save("a.safetensors", {"fc1.weight": weight})
    shell("prune a --sparsity 0.3")
    pruned = shell.tensors("a.lowest-0.3.safetensors")["fc1.weight"]
    assert pruned.dtype == dtype
    assert (pruned == 0).sum() == 360
    assert np.array_equal(pruned[pruned != 0], weight[pruned != 0])
    expected = float(np.square(weight.astype(float) - pruned.astype(float)).sum())
    assert shell("divergence a a.lowest-0.3 --dist ap2").records[0]["value"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.slow
def test_the_same_command_gives_the_same_bytes_whatever_the_hash_seed(shell: Any, a: Path) -> None:
    runs = []
    for environment in ({"PYTHONHASHSEED": "2"}, {}):  # and whichever this process has
        pruned = shell("prune a -o - --method lowest,random --sparsity 0.3,0.8 --seeds 0,1", **environment)
        records = shell("divergence --dense a", pruned.raw, **environment)
        runs.append((pruned.raw, records.raw))
    assert runs[0][0]
    assert runs[0][1]
    assert runs[0] == runs[1]


def test_seeds_draw_different_masks(shell: Any, a: Path) -> None:
    result = shell("prune a --method random --sparsity 0.5 --seeds 0,1")
    assert result.lines == ["a.random-0.5.seed0.safetensors", "a.random-0.5.seed1.safetensors"]
    first, second = (shell.tensors(name)["fc1.weight"] == 0 for name in result.lines)
    assert first.sum() == second.sum() == 600
    assert not np.array_equal(first, second)


def test_every_law_measure_and_estimator_from_the_command_line(shell: Any, pair: Any) -> None:
    a, b = pair
    moved = np.concatenate([np.abs(a[name] - b[name]).ravel() for name in a])
    laws = "laplace,cauchy,student-t:df=3:pruned_df=5,gaussian:cov=ar1:rho=0.3,gaussian:cov=rows:shrinkage=0.5"
    result = shell(f"divergence a b --dist {laws} --measure kl,jeffreys,renyi:alpha=0.3,hellinger --level network")
    found = {(r["dist"], r["measure"]): r for r in result.records}
    assert len(result.records) == 5 * 4
    assert found["laplace", "kl"]["value"] == pytest.approx(float(np.sum(moved + np.exp(-moved) - 1)))
    assert found["cauchy", "jeffreys"]["value"] == pytest.approx(2 * float(np.sum(np.log1p(moved**2 / 4))))
    assert found["laplace", "renyi"]["measure_params"] == {"alpha": 0.3}
    assert all(r["layer"] == "*" and r["value"] > 0 and r["dim"] == 14 for r in result.records)
    how = "--estimator mc --samples 50000 --repeats 2 --seed 7"
    drawn = shell(f"divergence a b --dist student-t:df=3:pruned_df=5 {how} --level network").records[0]
    exact = found["student-t", "kl"]["value"]
    assert (drawn["estimator"], drawn["draws"]) == ("mc", {"samples": 50000, "repeats": 2, "seed": 7})
    assert 0 < drawn["std_error"] < exact / 20
    assert abs(drawn["value"] - exact) < 4 * drawn["std_error"]


def test_filters_add_up_to_what_the_network_moved(shell: Any, pair: Any) -> None:
    a, b = pair
    records = shell("divergence a b --dist ap2 --level filter,network").records
    assert [(r["layer"], r["filter"]) for r in records] == [("p", 0), ("p", 1), ("q", 0), ("q", 1), ("*", None)]
    for record in records[:-1]:
        moved = (a[f"{record['layer']}.weight"] - b[f"{record['layer']}.weight"])[record["filter"]]
        assert record["value"] == pytest.approx(float(np.square(moved).sum()), rel=1e-14)
    assert sum(r["value"] for r in records[:-1]) == pytest.approx(records[-1]["value"], rel=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--measure chi2", "unknown measure 'chi2'"),
        ("--dist cauchy:pruned_scale=2 --measure w2", "defined are kl"),
        ("--estimator nested", "unknown estimator 'nested'"),
        ("--samples 2", "--samples is 2"),
        ("--images 3", "--images is given, but no distribution of"),
        ("--data digits --dist ap2", "--data is given, but no distribution of ap2"),
        ("--split train --dist laplace", "--split is given, but no distribution of laplace"),
        ("--level all", "--level is 'all'"),
        ("--level filter --dist student-t --groups 4", "fewer groups"),
        ("--dist gaussian:cov=wide", "unknown covariance 'wide'"),
        ("--dist gaussian:cov=full", "path=FILE"),
        ("--dist gaussian:cov=full:path=none.npy", "none.npy"),
        ("--dist laplace --groups 3", "no distribution of laplace"),
        ("--dist student-t --groups 20", "fewer groups"),
        ("--dist predictive", "--model"),
        ("--dist gaussian --estimator mc --device abacus", "--device abacus"),
    ],
)
def test_wrong_options_are_refused_in_one_line(shell: Any, pair: Any, options: str, words: str) -> None:
    assert len(pair) == 2
    shell.refuses(f"divergence a b {options}", 2, words)


@pytest.mark.slow
def test_the_network_itself_is_measured(shell: Any) -> None:
    assert shell("train fc5 --epochs 1 -o net.safetensors").code == 0
    assert shell("prune net --sparsity 0.5 --method highest --layers last").code == 0
    result = shell(
        "divergence net.highest-0.5-last --dist gaussian:cov=activation,predictive --images 50 --split train"
    )
    assert result.code == 0, result.err
    assert [(r["dist"], r["layer"]) for r in result.records] == [
        ("gaussian", "fc5"),
        ("gaussian", "*"),
        ("predictive", "*"),
    ]
    assert all(r["evaluated"] == {"data": "digits", "split": "train", "images": 50} for r in result.records)
    assert all(r["value"] > 0 for r in result.records)
    assert result.records[2]["std_error"] > 0
    held_out = shell("divergence net.highest-0.5-last --dist gaussian:cov=activation").records
    assert held_out[0]["evaluated"]["split"] == "test"
    piped = shell(
        "divergence net - --dist predictive", stdin=(shell.folder / "net.highest-0.5-last.safetensors").read_bytes()
    )
    assert [r["layer"] for r in piped.records] == ["*"], piped.err
    shell.refuses("divergence net.highest-0.5-last net", 2, "give the dense file first")
