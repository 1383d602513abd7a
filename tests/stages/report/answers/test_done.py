"""What was done, in one line."""

from dataclasses import replace

from apcli.stages.report.answers.done import done
from apcli.stages.report.runs.experiment import build


def line(records):
    report = build(records)
    return done(report, report.groups[0])


def test_the_line_counts_what_there_is(small):
    assert line(small) == (
        "resnet20 on cifar10 · compared: fc · 3 methods × 2 sparsities · 2 dense networks · 2 seeds · "
        "2 epochs of fine-tuning"
    )


def test_many_layers_are_counted(make_grid):
    records = [r for r in make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)) if r.layer == "fc"]
    many = [replace(r, layer=f"conv{i}") for r in records for i in range(5)]
    assert "compared: conv0, conv1, conv2 and 2 more" in line(many)
