"""What the measures of a report cannot show."""

from dataclasses import replace

from apcli.projections import PREDICTIVE
from apcli.projections.caveats import SAME_ORDER
from apcli.stages.report.answers.caveats import caveats
from apcli.stages.report.runs.experiment import build


def test_caveats_follow_the_laws(records, make_grid):
    lines = caveats(build(records).groups)
    assert lines[0] == f"AP3 gaussian and AP3 student-t: each {SAME_ORDER}"
    assert len(lines) == 2
    diagonal = [replace(r, params={"cov": "diagonal"}) for r in records if r.dist == "gaussian"]
    assert len(caveats(build(diagonal).groups)) == 1
    assert "not proven" in caveats([])[0]
    grouped = [replace(r, params={**r.params, "groups": 100}) for r in records if r.dist == "student-t"]
    assert "grouped weights" in caveats(build(grouped).groups)[0]
    asked = [replace(r, dist="predictive", params={}) for r in records if r.dist == "gaussian"]
    assert caveats(build(asked).groups)[0] == f"AP3 predictive {PREDICTIVE}"
