"""How budgets were shared, read from the lineages of files."""

import pytest
from studies import only_group, relineaged, with_allocations, with_files

from apcli.stages.report.runs.widths import shared_of


@pytest.fixture(scope="module")
def records(make_grid):
    return [r for r in make_grid(seeds=(0, 1), epochs=0, sparsities=(0.5,)) if r.method == "lowest"]


def test_what_a_run_s_files_say(records):
    (one,) = shared_of(only_group(with_allocations(records)))
    assert one.units == ["conv", "fc"]
    assert one.widths("fc") == (25, 100)
    assert one.share("conv") == 0.5
    assert one.widths("other") is one.share("other") is one.evidence("importance", "other") is None
    assert one.evidence("importance", "fc") == 0.4
    assert one.nhsic("fc", "labels") == 0.6
    assert one.nhsic("fc", "nothing") is None
    assert len(one.allocations) == len(one.budgets) == len(one.maps) == 2
    assert one.number("residual") == 1e-15
    assert one.number("slack") is None


def test_without_evidence_there_are_widths_and_budgets_alone(records):
    (one,) = shared_of(only_group(with_allocations(records, evidence=False)))
    assert one.maps == ()
    assert one.evidence("importance", "fc") is None
    assert one.budgets[0].got == 498


@pytest.mark.parametrize(
    "evidence",
    [
        {"names": ["a"], "nhsic": [[1.0, 2.0]], "images": 3},
        {"names": [1], "nhsic": [[1.0]]},
        {"names": ["a"], "nhsic": [["x"]]},
        {"names": ["a", "b"], "nhsic": [[1.0, 0.5]]},
        {"names": "a", "nhsic": [[1.0]], "importance": 3, "residual": "x"},
    ],
)
def test_evidence_of_another_form_is_left_out(records, evidence):
    """It is data from a file, which anyone may have written."""
    files = relineaged(
        with_allocations(records),
        lambda r: (
            r.lineage
            if "allocation" not in r.lineage
            else {**r.lineage, "allocation": {**r.lineage["allocation"], "evidence": evidence}}
        ),
    )
    (one,) = shared_of(only_group(files))
    assert one.maps == ()
    assert one.number("residual") is None
    assert one.evidence("importance", "a") is None


def test_other_files_share_nothing(records):
    assert shared_of(only_group(with_files(records))) == []
