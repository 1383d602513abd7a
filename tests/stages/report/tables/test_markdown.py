"""The report as Markdown."""

import re

from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.markdown import to_markdown


def test_markdown_has_a_row_per_run(small):
    text = to_markdown(build(small))
    assert text.startswith("# Pruning report: resnet20 on cifar10\n")
    runs = [line for line in text.splitlines() if re.match(r"\| (?:lowest|random|highest) \(layer\) \| 0\.\d \|", line)]
    assert len(runs) == 6
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count(" | ") for line in tables[:8]}
    assert len(widths) == 1
    run = build(small).groups[0].runs[0]
    accuracy = run.accuracy("pruned")
    assert f"{accuracy.mean:.2f} ± {accuracy.sd:.2f}" in runs[0]
