"""What was done, in one line: each part only if it is known."""

from dataclasses import replace

from studies import TUNED, with_files

from apcli.stages.report.answers.done import done
from apcli.stages.report.runs.experiment import build


def line(records):
    report = build(records)
    return done(report, report.groups[0])


def test_the_line_of_records_alone(small):
    assert line(small) == (
        "resnet20 on cifar10 · layer fc · 3 methods × 2 sparsities · 2 dense networks · 1 seed each · "
        "2 epochs of fine-tuning"
    )


def test_the_files_say_more(small):
    assert line(with_files(small, part=5000)) == (
        "resnet20 on cifar10 · last layer (fc) · 3 methods × 2 sparsities · 2 dense networks · 1 seed each · "
        "3 epochs of fine-tuning on 5,000 images"
    )
    assert " · all 2 layers · " in line(with_files(small, layers=("conv", "fc")))
    assert " · layer conv · " in line(with_files(small, layers=("conv",)))
    assert line(with_files(small, tuned=None)).endswith(" · no fine-tuning")


def test_budgets_that_differ_are_ranges(small):
    longer = with_files(small, tuned=lambda r: {**TUNED, "epochs": 1 + r.seed}, part=lambda r: 500 * (1 + r.seed))
    assert line(longer).endswith("1 to 2 epochs of fine-tuning on 500 to 1,000 images")


def test_methods_of_fewer_sparsities_are_named(small):
    kept = [r for r in small if r.method == "lowest" or (r.method, r.sparsity.requested) != ("random", 0.5)]
    assert " · 2 methods × 2 sparsities, random (layer) × 1 · " in line(kept)
    unknown = [replace(r, method=None) if r.method == "random" else r for r in small]
    assert " · 2 methods × 2 sparsities, 4 files of unknown method · " in line(unknown)
    assert " · 3 methods · 2 dense networks" in line(
        [replace(r, sparsity=replace(r.sparsity, requested=None)) for r in small]
    )


def test_seeds_are_counted_for_each_dense_network(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1,))
    again = [
        replace(r, mask_seed=seed, pruned=replace(r.pruned, sha256=f"{seed}{r.pruned.sha256[1:]}"))
        for seed in (1, 2, 3)
        for r in records
    ]
    assert " · 1 dense network · 3 seeds" in line(again)
    assert "seed" not in line([replace(r, seed=None) for r in records])


def test_many_layers_are_counted_and_names_stay_in_their_line(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)) if r.layer == "fc"]
    many = [replace(r, layer=f"conv{i}") for r in records for i in range(5)]
    assert " · 5 layers: conv0, conv1 and 3 others · " in line(many)
    assert "\n" not in line([replace(r, layer="a\nb", model="c\nd") for r in records])
