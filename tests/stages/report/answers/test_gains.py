"""What is gained: counted from the files, and nothing is claimed that is not there."""

from dataclasses import replace

import pytest
from studies import only_group, with_files

from apcli.records.checkpoint import DenseLatency, LatencyFacts, MacsFacts, TensorFacts
from apcli.stages.report.answers.gains import on_gains

MACS = MacsFacts((3, 8, 8), dense=4000, nonzero=1600, without_weights=0, dense_file=4000, theoretical_speedup=2.5)
DENSE = DenseLatency("dense", 0.2, 0.2, 0.2)
TIMED = LatencyFacts(
    0.1, 0.1, 0.1, runs=50, warmup=5, batch_size=32, input_size=(3, 8, 8), device="cpu", device_name=None, threads=2,
    dtype="float32", dense=DENSE, speedup=2.0, note="",
)  # fmt: skip


def gains(records, **how):
    return on_gains(only_group(with_files(records, **{"layers": ("conv", "fc"), **how})))


def test_parameters_and_multiply_adds_of_the_best_run(small):
    answer = gains(small, macs=MACS)
    assert answer.sentence == (
        "At 50 % sparsity, lowest (layer) leaves 550 of 1,000 parameters (1.82 times fewer) and, in theory, needs 2.5 "
        "times fewer multiply-adds. Its file is as large as the dense one, and it is no faster where zeros are "
        "multiplied as any number is."
    )
    assert (answer.number, answer.sureness) == ("1.82 ×", "Counted in 2 files; time was not measured.")


def test_what_is_not_known_is_said(small):
    assert "; multiply-adds are not known." in gains(small).sentence
    answer = on_gains(only_group(small))
    assert (answer.number, answer.sentence) == ("–", "Not known: none of the files is at hand.")
    assert "apcli report FILE --json" in answer.sureness
    alone = gains(small, dense_bytes=None).sentence
    assert "as large as" not in alone, "the dense file's size is not known"


def test_a_smaller_file_and_time(small):
    answer = gains(small, macs=MACS, dense_bytes=8200, latency=TIMED)
    assert "Its file is 2 times smaller. Timed, it is 2 times as fast." in answer.sentence
    timing = "timed by the median of 50 runs of 32 images (cpu, 2 threads, float32)"
    assert answer.sureness == f"Counted in 2 files; {timing}."
    untimed = gains(small, dense_bytes=8200)
    assert untimed.sentence.endswith("Its file is 2 times smaller. How fast it is was not measured.")


def test_files_that_differ_have_their_range(small):
    files = with_files(small, layers=("conv", "fc"))
    differing = [replace(f, kept=500) if f.kind == "checkpoint" and "seed1" in f.path else f
                 for f in files]  # fmt: skip
    answer = on_gains(only_group(differing))
    assert answer.number == "1.91 ×"
    assert answer.sureness.startswith("Counted in 2 files, 1.82 to 2 times; ")


def test_a_compact_file_is_compared_with_the_dense_network(small):
    answer = gains(small, parameters=400, kept=400, dense_parameters=1000)
    assert "lowest (layer) leaves 400 of 1,000 parameters (2.5 times fewer)" in answer.sentence
    assert answer.number == "2.5 ×"
    unknown = [r for r in with_files(small, layers=("conv", "fc"), parameters=400, kept=400, dense_parameters=None)
               if r.kind != "checkpoint" or r.lineage.get("pruned")]  # fmt: skip
    answer = on_gains(only_group(unknown))
    assert "leaves 400 parameters;" in answer.sentence, "the dense network's number is not known"
    assert answer.number == "–"


@pytest.mark.parametrize(("macs", "words"), [(8, " and 0.2 % of the multiply-adds"), (None, "")])
def test_a_study_of_one_small_layer_gains_nothing(small, macs, words):
    files = with_files(small, macs=MACS)
    tensors = (
        TensorFacts("conv.weight", "F32", (990,), 990, "conv", macs=3992),
        TensorFacts("fc.weight", "F32", (10,), 10, "fc", macs=macs),
    )
    answer = on_gains(only_group([replace(f, tensors=tensors) if f.kind == "checkpoint" else f for f in files]))
    assert answer.sentence == (
        f"Only the last layer (fc) was pruned. It holds 1 % of the parameters{words}: not more than that can be gained."
    )
    assert (answer.number, answer.anchor) == ("1 %", "cost")


def test_without_accuracy_the_sparsest_run_is_described(small):
    blind = [replace(r, metrics=replace(r.metrics, pruned=None)) for r in small]
    assert gains(blind).sentence.startswith("At 50 % sparsity, ")
