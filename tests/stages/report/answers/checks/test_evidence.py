"""What the checks look at: methods without controls, the records of one group, and counts of what is known."""

from dataclasses import replace

from studies import with_files

from apcli.stages.report.answers.checks.evidence import Evidence, known
from apcli.stages.report.runs.experiment import build


def test_evidence_is_of_one_group(small):
    unnamed = [replace(r, method=None) if r.method == "highest" else r for r in small]
    report = build(with_files([*unnamed, *(replace(r, model="vgg11") for r in small)]))
    evidence = Evidence(report, report.groups[0])
    assert {name: len(runs) for name, runs in evidence.methods.items()} == {"lowest (layer)": 2}
    assert len(evidence.records) == len(small)
    assert len(evidence.trials) == len(evidence.made) == 12
    assert {len(stages) for stages in evidence.tuning.values()} == {1, 2}


def test_counts_of_what_is_known():
    assert known([1, 2, 3], [True, None, "x"]) == "known for 2 of 3 runs"
