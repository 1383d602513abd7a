"""The checklist: each line where it passes and where it is open."""

from studies import variant

from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.runs.experiment import build


def test_every_line_passes_or_is_open(make_grid):
    passing = build(variant(make_grid(seeds=(0, 1, 2, 3, 4), epochs=0, sparsities=(0.1,)), "ap2"))
    assert [check.passed for check in checklist(passing, passing.groups[0])] == [True, True, True]
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1,)), "ap2")
    failing = build([r for r in records if r.method != "random"])
    checks = checklist(failing, failing.groups[0])
    assert [check.passed for check in checks] == [False, False, False]
    assert [check.reason for check in checks[:2]] == ["1 seed known", "1 dense network"]
