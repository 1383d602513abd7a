"""The theory as a whole: which statements stand in it, how its parameters are read, and plain files."""

import logging
import math

import pytest
from measured_pairs import by_statement, measured
from safetensors.numpy import load_file, save_file

from apcli.configs.shared import DataConfig
from apcli.errors import UsageError
from apcli.stages.bounds import THEORIES
from apcli.stages.bounds.ap3.theory import ap3


def plain(source, path):
    """The same tensors without a lineage."""
    save_file(load_file(source), path)
    return path


def test_statements_of_the_paper_are_labelled_and_stand_beside_proven_ones(dense, pruned):
    stated = list(ap3(measured(dense, pruned, images=30), scale=1.0, df=4.0, cov="identity"))
    standings = {one.bound.statement: one.bound.standing for one in stated}
    assert standings["corollary 1"] == standings["lemma 2"] == standings["theorem 1"] == "published"
    assert standings["corollary 1 by Bretagnolle-Huber"] == "proven"
    assert standings["lemma 3"] == "diagnostic"
    assert standings["corollary 2, all layers"] == "estimate"
    assert all(one.bound.source for one in stated)


def test_parameters_come_from_the_spec(dense, pruned, tmp_path):
    files = [plain(source, tmp_path / f"{number}.safetensors") for number, source in enumerate((dense, pruned))]
    found = by_statement(THEORIES.parse("ap3:scale=0.5")(measured(*files)))
    assert (
        found["equation 4"].measured
        == 4 * by_statement(ap3(measured(*files), scale=1.0, df=4.0, cov="identity"))["equation 4"].measured
    )


def test_plain_files_have_the_statements_about_weights_and_one_warning(dense, pruned, tmp_path, caplog):
    files = [plain(source, tmp_path / f"{number}.safetensors") for number, source in enumerate((dense, pruned))]
    with caplog.at_level(logging.WARNING):
        stated = list(ap3(measured(*files), scale=1.0, df=4.0, cov="identity"))
    assert {one.bound.quantity for one in stated} >= {"AP2"}
    assert all(one.evaluated is None and one.bound.quantity != "PD" for one in stated)
    (record,) = caplog.records
    assert "bounds on PD are left out" in record.message
    assert "--model NAME" in record.message


def test_data_that_are_not_there_are_told_unless_they_were_asked_for(dense, pruned, caplog, monkeypatch):
    pair = measured(dense, pruned)

    def nothing():
        raise UsageError("the images are not here")

    monkeypatch.setattr(pair, "_networks", nothing)
    with caplog.at_level(logging.WARNING):
        assert all(one.evaluated is None for one in ap3(pair, scale=1.0, df=4.0, cov="identity"))
    assert "the images are not here" in caplog.records[0].message
    asked = measured(dense, pruned, data=DataConfig("digits"))
    monkeypatch.setattr(asked, "_networks", nothing)
    with pytest.raises(UsageError, match="not here"):
        next(ap3(asked, scale=1.0, df=4.0, cov="identity"))


def test_the_covariances_are_those_of_divergence_that_need_no_data(dense, pruned, tmp_path):
    files = [plain(source, tmp_path / f"{number}.safetensors") for number, source in enumerate((dense, pruned))]
    choice = THEORIES.parse("ap3:cov=ar1:rho=0.3")
    assert choice.parameters == {"scale": 1.0, "df": 4.0, "cov": "ar1", "rho": 0.3}
    found = by_statement(choice(measured(*files)))
    assert found["equation 4"].quantity == "AP3 (Gaussian, cov=ar1:rho=0.3)"
    assert found["equation 4"].value > found["equation 4"].measured > 0
    with pytest.raises(UsageError, match="unknown covariance 'activation': known are identity, diag, ar1, rows, full"):
        THEORIES.parse("ap3:cov=activation")
    with pytest.raises(UsageError, match="has no parameter 'pruned_rho'"):
        THEORIES.parse("ap3:cov=ar1:pruned_rho=0.3")


@pytest.mark.parametrize("scale", ["1e-100", "1e100"])
def test_of_the_smallest_and_the_largest_scale_all_is_finite(dense, pruned, scale):
    """AP3 is 1e200 times AP2 / 2, or 1e-200 times."""
    usual, stated = (list(THEORIES.parse(f"ap3:scale={s}")(measured(dense, pruned, images=20))) for s in ("1", scale))
    for one in stated:
        assert one.bound.verdict != "broken", one.bound
        assert one.bound.measured is None or math.isfinite(one.bound.measured)
    found, at_one = by_statement(stated), by_statement(usual)
    assert found.keys() == at_one.keys()
    assert found["equation 4"].measured == pytest.approx(
        at_one["equation 4"].measured / float(scale) ** 2, rel=1e-9, abs=0
    )
    assert found["equation 4"].measured > 0


@pytest.mark.parametrize("scale", ["0", "1e-101", "1e101", "inf"])
def test_scales_whose_squares_are_no_numbers_are_refused(scale):
    with pytest.raises(UsageError, match="ap3:"):
        THEORIES.parse(f"ap3:scale={scale}")
