"""Measures that order runs alike by construction are one witness."""

from dataclasses import replace

from studies import only_group, variant

from apcli.stages.report.comparisons.witnesses import one_witness, witnesses


def measures(records):
    return only_group(records).measures


def labels(found):
    return [measure.label for measure in found]


def test_isotropic_measures_are_one_witness_and_others_are_more(records):
    diagonal = variant(records, "gaussian", params={"cov": "diagonal"})
    found = measures([*records, *diagonal])
    assert labels(witnesses(found)) == ["AP2", "AP3 gaussian cov=diagonal"]
    assert one_witness(found) == (
        "AP2, AP3 gaussian and AP3 student-t order runs alike by construction; AP2 is named for them."
    )


def test_grouped_weights_have_a_distance_of_their_own(records):
    grouped = [replace(r, params={**r.params, "groups": 100}) for r in variant(records, "student-t")]
    found = measures([*variant(records, "ap2"), *variant(records, "gaussian"), *grouped])
    assert labels(witnesses(found)) == ["AP2", "AP3 student-t groups=100"]
    with_ap2 = measures([*grouped, *variant(records, "ap2", params={"groups": 100})])
    assert len(witnesses(with_ap2)) == 1


def test_one_measure_needs_no_words(records):
    assert one_witness(measures(variant(records, "ap2"))) == ""
    assert witnesses([]) == []
