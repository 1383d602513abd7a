"""The checklist: each line where it passes and where it is open. The reasons are tested with each line's module."""

from dataclasses import replace

from apcli.stages.report.answers.checklist import CHECKS, checklist
from apcli.stages.report.runs.experiment import build


def checks(records):
    report = build(records)
    return checklist(report, report.groups[0])


def test_every_line_passes_somewhere_and_is_open_elsewhere(honest, bare):
    assert [check.item for check in checks(honest) if not check.passed] == []
    assert [check.item for check in checks(bare) if check.passed] == []
    assert len({item for item, _ in CHECKS}) == len(CHECKS) >= 15


def test_a_reason_is_one_line_of_any_names(honest):
    for check in checks([replace(r, model="a\nb", method=None) if r.kind == "divergence" else r for r in honest]):
        assert check.reason, check.item
        assert "\n" not in check.reason
