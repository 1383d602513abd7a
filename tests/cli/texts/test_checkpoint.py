"""A checkpoint's description as text: what it says, and that it reads well at any width."""

from dataclasses import replace
from typing import Any

import pytest

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Settings
from apcli.cli.texts.checkpoint import to_text
from apcli.records.checkpoint import CheckpointRecord, DenseLatency, LatencyFacts, MacsFacts, TensorFacts

LONG = "encoder.layers.encoder_layer_{}.self_attention.in_proj_weight"
MACS = MacsFacts((2, 6, 6), 1_814_073_344, 907_036_672, 80, 2_000_200_000, theoretical_speedup=3.99963)
TIMES = {"median": 0.002, "low": 0.0019, "high": 0.0025}
LATENCY = LatencyFacts(
    **TIMES,
    runs=50,
    warmup=10,
    batch_size=8,
    input_size=(2, 6, 6),
    device="cpu",
    device_name=None,
    threads=1,
    dtype="float32",
    dense=None,
    speedup=None,
    note="Mind.",
)


def layer(name: str, shape: tuple[int, ...], zeros: int, macs: int | None = None, dtype: str = "F32") -> TensorFacts:
    size = 1
    for side in shape:
        size *= side
    half = None if macs is None else macs // 2
    return TensorFacts(f"{name}.weight", dtype, shape, size, name, (), None, zeros, size - zeros, None, macs, half)


NORM = TensorFacts("norm.weight", "F32", (1, 3), 3, None, (), "norms", 1, 2)
BIAS = TensorFacts("conv.bias", "F32", (2,), 2, None, (), None, 0, 2)
SMALL = (layer("conv", (1, 2, 2, 2), 4, dtype="F16"), layer("fc", (4, 5), 4, dtype="BF16"), NORM, BIAS)


def facts(tensors: tuple[TensorFacts, ...] = SMALL, **changes: Any) -> CheckpointRecord:
    made = CheckpointRecord(
        path="a.safetensors",
        sha256="735fdbfc7e8d1f9f31163f86ede4b7e343561bcfd9ad6fb40c03ae8ba6b1161f",
        bytes=46_811_248,
        dense_bytes=46_807_448,
        numbers=33,
        parameters=33,
        dense_parameters=33,
        kept=25,
        model_sparsity=8 / 33,
        model_density=25 / 33,
        compression=33 / 25,
        prunable=28,
        prunable_nonzero=20,
        sparsity=8 / 28,
        density=20 / 28,
        macs=None,
        macs_reason="it is not known: give --model NAME",
        latency=None,
        lineage=None,
        tensors=tensors,
    )
    return replace(made, **changes)


def test_what_is_counted() -> None:
    lines = to_text(facts()).splitlines()
    assert lines == [
        "a.safetensors",
        "  size         46,811,248 bytes (dense: 46,807,448), 4 tensors, 33 numbers",
        f"  sha256       {facts().sha256}",
        "  lineage      none: a file that another program made",
        "  parameters   33, 25 kept: sparsity 0.242424, density 0.757576, compression 1.32x "
        "(the file is dense: zeros take their place)",
        "  prunable     28, 20 nonzero: sparsity 0.285714, density 0.714286",
        "  MACs         not counted: it is not known: give --model NAME",
        "",
        "  layer  dtype    shape  weights  zeros  nonzero  sparsity",
        "  conv   F16    1x2x2x2        8      4        4    0.5000",
        "  fc     BF16       4x5       20      4       16    0.2000",
        "  and 2 tensors not prunable, 5 numbers",
        "    norms (1): norm.weight",
    ]


def test_what_is_not_known_is_not_said() -> None:
    none = {"model_sparsity": None, "model_density": None, "compression": None, "sparsity": None, "density": None}
    text = to_text(facts((), parameters=0, kept=0, prunable=0, prunable_nonzero=0, dense_bytes=None, **none))
    assert "the dense file is not at hand" in text
    assert "parameters" not in text
    assert "prunable  " not in text
    assert "0 tensors not prunable" in text


@pytest.mark.parametrize("width", [None, 80])
def test_a_name_cannot_command_the_terminal(width: int | None) -> None:
    evil = "\x1b[2J\n"
    text = to_text(facts((layer(evil, (2, 2), 0), replace(NORM, name=evil)), path=evil, macs_reason=evil), width)
    assert "\x1b" not in text
    assert text.count(r"\x1b[2J\n") == 4


def test_neither_can_the_name_of_a_stage() -> None:
    evil = "\x1b[2J\n"
    made = replace(Lineage.EMPTY, stage="prune", settings=(Settings(evil, {"sparsity": 0.3}),))
    text = to_text(facts(lineage=made.to_json()))
    assert "\x1b" not in text
    assert r"\x1b[2J\n" in text


def test_a_compact_file_is_not_called_dense() -> None:
    plain = Lineage.EMPTY.then("train", {})
    compact = Lineage.EMPTY.then("prune", {}, kept={"fc.weight": {"0": "0-1"}})
    assert "(the file is dense: zeros take their place)" in to_text(facts(lineage=plain.to_json()))
    known = to_text(facts(lineage=compact.to_json(), dense_parameters=100, compression=4.0))
    means = "(compact: removed channels are not in the file; the dense file has 100)"
    assert f"density 0.757576, compression 4x {means}" in known
    alone = to_text(facts(lineage=compact.to_json(), dense_parameters=None, compression=None))
    means = "(compact: removed channels are not in the file; the dense file is not at hand)"
    assert f"density 0.757576 {means}" in alone


def test_the_shapes_of_a_compact_file_are_the_last_column_to_go() -> None:
    compact = Lineage.EMPTY.then("prune", {}, kept={"fc.weight": {"0": "0-1"}}).to_json()
    tensors = (layer(LONG, (64, 32, 3, 3), 0, macs=1_000_000),)
    for width in range(60, 100):
        gone = to_text(facts(tensors, lineage=compact), width).partition("no room for")[2]
        assert "shape" not in gone or "nonzero," in gone
    assert "shape" in to_text(facts(tensors), 80).partition("no room for")[2]
    assert "shape" not in to_text(facts(tensors, lineage=compact), 80).partition("no room for")[2]


def test_macs_have_columns_where_they_are_known() -> None:
    known = (layer("conv", (1, 2, 2, 2), 4, 1_000_000), *SMALL[1:])
    text = to_text(facts(known, macs=MACS, macs_reason=None))
    assert "MACs         1,814,073,344 dense, 907,036,672 nonzero, 2,000,200,000 of the dense file, for one" in text
    assert "one image of 2x6x6: speed-up 4x in theory\n               80 of them in products without a layer" in text
    head, conv, fc = text.splitlines()[-5:-2]
    assert head.endswith("sparsity       MACs  nonzero MACs")
    assert conv.split()[-2:] == ["1,000,000", "500,000"]
    assert fc.split()[-2:] == ["-", "-"]
    assert len(head) == len(conv) == len(fc)


def test_latency_says_what_it_is() -> None:
    line = "2 ms median, quartiles 1.9 to 2.5 ms; 50 runs, batch 8, cpu (1 thread), float32"
    assert f"  latency      {line}\n               Mind.\n" in to_text(facts(latency=LATENCY))
    dense = DenseLatency("dense.safetensors", **TIMES)
    text = to_text(facts(latency=replace(LATENCY, dense=dense, speedup=1.0, device_name="a GPU")))
    assert "batch 8, a GPU, float32" in text
    assert "of dense     2 ms median, quartiles 1.9 to 2.5 ms: speed-up 1x measured (dense.safetensors)" in text


MANY = tuple(
    made
    for i in range(12)
    for made in (
        layer(f"layer{i}.0.conv1", (512, 512, 3, 3), 1_000_000 + i, 115_605_504 + i),
        layer(LONG.format(i), (768, 256), 176_900 + i, 150_000_000 + i),
    )
)


@pytest.mark.parametrize("width", range(20, 121))
def test_it_fits_and_no_number_is_broken(width: int) -> None:
    known = facts((*MANY, NORM), macs=MACS, macs_reason=None, latency=LATENCY)
    text = to_text(known, width)
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    numbers = ["46,811,248", "46,807,448", "1,814,073,344", "907,036,672", "0.242424", "33"]
    for tensor in MANY:
        zeros, macs = tensor.zeros or 0, tensor.macs or 0
        numbers += [f"{tensor.size:,}", f"{zeros / tensor.size:.4f}"]
        numbers += [f"{zeros:,}"] if "zeros" not in text.partition("no room for")[2] else []
        numbers += [f"{macs:,}"] if " MACs" not in text.partition("no room for")[2] else []
    assert [number for number in numbers if not any(number in line for line in lines)] == []
    assert all(f"{i}.0.conv1" in text for i in range(12)), "no row is lost"
    if width >= 80:
        assert facts().sha256 in text
