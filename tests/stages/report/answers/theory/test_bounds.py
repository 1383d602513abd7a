"""Whether the bounds hold, in words."""

from studies import bound_record, limit_records, only_group

from apcli.records.bound import Assumption
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.theory.bounds import on_bounds
from apcli.stages.report.runs.experiment import build


def answer(*records):
    return on_bounds(only_group(records))


def test_the_tightest_bounds_on_the_change_of_loss_and_of_accuracy_are_named_apart():
    """The last layer's is tighter on accuracy, and says nothing of the loss."""
    found = answer(
        bound_record("corollary 2", 3000.0), bound_record("theorem 1", 1e6),
        bound_record("last layer", 12.5, standing="proven"), bound_record("exact", 1.0, standing="proven", of="AP2"),
        bound_record("margins", 1.5, standing="proven", of="PD (accuracy)"),
    )  # fmt: skip
    assert found.sentence == (
        "Of 5 statements that could be compared with a measurement, all hold. On the change of loss, the tightest "
        "proven bound (last layer) is 12.5 × what was measured; the tightest published bound (corollary 2) is 3.5 "
        "orders of magnitude above what was measured (medians). On the change of accuracy, the tightest proven bound "
        "(margins) is 1.5 × what was measured (medians)."
    )
    assert (found.number, found.anchor, found.sureness) == ("12.5 ×", "bounds", "5 statements about 1 pruned file.")


def test_broken_and_idle_statements_are_said():
    found = answer(
        bound_record("lemma 2", 0.5), bound_record("lemma 2", 2.0, file="b"), bound_record("lemma 3", float("inf"))
    )
    assert found.sentence == (
        "Of 1 statement that could be compared with a measurement, 0 hold wherever they apply; broken: lemma 2 (1 of "
        "2). 1 further statement never applies: vacuous, an assumption fails, or the bound is computed from the "
        "measurement."
    )
    assert found.number == "–", "a bound that is broken is not the tightest"


def test_published_bounds_whose_assumptions_fail_are_named_with_the_number_of_files():
    fails = {"assumptions": (Assumption("only this layer differs", False),)}
    layers = [bound_record("theorem 1", 2.0, layer=layer, **fails) for layer in ("conv", "fc")]
    found = answer(*layers, bound_record("theorem 1", file="b", layer="fc"), bound_record("R2", 2.0, of="AP2", **fails))
    assert "An assumption of these published bounds on PD fails, by pruned files: theorem 1 (1 of 2)." in found.sentence
    assert "An assumption" not in answer(bound_record("theorem 1")).sentence


def test_an_estimate_stands_in_where_no_other_bound_on_pd_applies():
    fails = {"assumptions": (Assumption("only this layer differs", False),)}
    found = answer(bound_record("theorem 1", **fails), bound_record("all layers", 1e5, standing="estimate"))
    assert found.sentence.endswith(
        "On the change of loss, no proven or published bound applies; the tightest estimated bound (all layers) is 5.0 "
        "orders of magnitude above what was measured (medians)."
    )
    assert found.number == "5.0 orders of magnitude above"
    both = answer(bound_record("all layers", 3.0, standing="estimate"), bound_record("last", 9.0, standing="proven"))
    assert "all layers" not in both.sentence


def test_what_assumes_something_unknown_is_not_said_to_hold():
    unknown = (Assumption("the images are independent"),)
    found = answer(bound_record("a", 2.0), bound_record("b", 3.0, assumptions=unknown))
    assert found.sentence.startswith(
        "Of 2 statements that could be compared with a measurement, 1 hold wherever they apply; 1 is not "
        "contradicted, but assumes what could not be checked. On"
    )
    assert answer(bound_record("a", 2.0)).sentence.startswith("Of 1 statement that could be compared with a "
                                                              "measurement, it holds.")  # fmt: skip


def test_without_a_measurement_it_is_said_what_to_do():
    found = answer(bound_record(measured=None))
    assert found.sentence.startswith("No bound could be compared with a measurement.")
    assert "--model" in found.sureness


def test_without_bounds_there_is_no_such_answer(small):
    assert on_bounds(only_group(small)) is None
    report = build([*small, bound_record()])
    assert [one.anchor for one in answers(report, report.groups[0])] == ["accuracy", "cost", "order", "bounds"]
    alone = build([bound_record()])
    assert [one.anchor for one in answers(alone, alone.groups[0])] == ["bounds"]
    limited = build([bound_record(), *limit_records()])
    assert [one.anchor for one in answers(limited, limited.groups[0])] == ["bounds", "limit"]
