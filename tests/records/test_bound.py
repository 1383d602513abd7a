"""What a bound record says: its verdict, and its bytes."""

import math

import pytest

from apcli.records import lines
from apcli.records.bound import DIAGNOSTIC, LOWER, PROVEN, PUBLISHED, UPPER, Assumption, Bound, BoundRecord, Constant
from apcli.records.json_objects import columns_of
from apcli.records.pair import File


def stated(value, **about):
    return Bound.stated("lemma", "a paper", PUBLISHED, "PD", value, **about)


@pytest.mark.parametrize(
    ("value", "about", "verdict", "slack"),
    [
        (2.0, {"measured": 0.5}, "holds", 4.0),
        (0.5, {"measured": 2.0}, "broken", 0.25),
        (0.5, {"measured": 2.0, "side": LOWER}, "holds", 4.0),
        (2.0, {"measured": 0.5, "side": LOWER}, "broken", 0.25),
        (2.0, {"measured": 2.0 + 1e-12}, "holds", pytest.approx(1.0)),
        (2.0, {}, "not measured", None),
        (2.0, {"measured": 0.0}, "holds", None),
        (math.inf, {"measured": 0.5}, "vacuous", None),
        (-math.inf, {"measured": 0.5, "side": LOWER}, "vacuous", None),
        (math.nan, {"measured": 0.5}, "vacuous", None),
        (2.0, {"measured": 0.5, "trivial": 1.0}, "vacuous", 4.0),
        (0.0, {"measured": 0.5, "trivial": 0.0, "side": LOWER}, "vacuous", None),
        (0.9, {"measured": 0.5, "trivial": 1.0}, "holds", 1.8),
    ],
)
def test_verdicts(value, about, verdict, slack):
    found = stated(value, **about)
    assert (found.verdict, found.slack) == (verdict, slack)
    assert found.value == (value if math.isfinite(value) else None)
    assert found.holds == (None if "measured" not in about or math.isnan(value) else verdict != "broken")


def test_a_failed_assumption_is_said_before_all_else():
    failed, unknown = Assumption("small", False, "it is 3"), Assumption("smooth")
    for value in (0.1, 9.0, math.inf):
        assert stated(value, measured=1.0, assumptions=(unknown, failed)).verdict == "assumption fails"
    assert stated(0.1, measured=1.0, assumptions=(failed,)).holds is False


def test_what_could_not_be_checked_is_not_said_to_hold():
    known, unknown = Assumption("large", True), Assumption("smooth")
    verdicts = {
        (2.0, 1.0): ("holds", "not contradicted"), (0.5, 1.0): ("broken", "broken"),
        (math.inf, 1.0): ("vacuous", "vacuous"), (2.0, None): ("not measured", "not measured"),
    }  # fmt: skip
    for (value, measured), (checked, unchecked) in verdicts.items():
        assert stated(value, measured=measured, assumptions=(known,)).verdict == checked
        assert stated(value, measured=measured, assumptions=(known, unknown)).verdict == unchecked


def test_what_is_computed_from_the_measurement_cannot_be_broken_but_by_an_error():
    unknown = Assumption("smooth")
    for assumptions in ((), (unknown,)):
        own = {"measured": 1.0, "assumptions": assumptions, "by_construction": True}
        assert stated(1.0, **own).verdict == "by construction"
        assert stated(0.5, **own).verdict == "broken"
        assert stated(math.inf, **own).verdict == "vacuous"


def test_the_line_is_the_contract_and_its_members_are_columns():
    bound = Bound.stated(
        "corollary 1", "arXiv:2403.00155", PROVEN, "AP2", 2.0, side=UPPER, measured=1.0,
        assumptions=(Assumption("small", True, "0.1"),), constants=(Constant("AP3", 0.1, 0.0, "exact"),),
    )  # fmt: skip
    record = BoundRecord(dense=File("a", "0"), pruned=File("b", "1"), layer="*", theory="ap3", bound=bound)
    line = lines.dump(record.to_json())
    assert line.startswith('{"kind": "bound", "version": 1, "model": null,')
    assert line.endswith(
        '"layer": "*", "epoch": null, "theory": "ap3", "params": {}, "evaluated": null, "bound": {"statement": '
        '"corollary 1", "source": "arXiv:2403.00155", "standing": "proven", "quantity": "AP2", "unit": "", "side": '
        '"upper", "value": 2.0, "measured": 1.0, "trivial": null, "holds": true, "slack": 2.0, "verdict": "holds", '
        '"assumptions": [{"name": "small", "holds": true, "reason": "0.1"}], "constants": [{"name": "AP3", "value": '
        '0.1, "error": 0.0, "how": "exact"}], "curve": [], "spectrum": null}}'
    )
    assert list(lines.load([line], "f")) == [record]
    row = columns_of(record)
    assert (row["statement"], row["value"], row["verdict"], row["layer"]) == ("corollary 1", 2.0, "holds", "*")
    assert DIAGNOSTIC != PROVEN
