"""The records as CSV."""

import csv
import io
import json
from dataclasses import replace

from studies import bound_record

from apcli.records.bound import Assumption, Constant
from apcli.records.divergence import TvBounds
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.csv_files import csv_files


def test_csv_holds_every_record_in_full(small):
    rows = list(csv.DictReader(io.StringIO(csv_files(build(small))["csv"])))
    assert len(rows) == len(small)
    for row, record in zip(rows, small, strict=True):
        assert float(row["value"]) == record.value
        assert row["layer"] == record.layer
        assert row["epoch"] == ("" if record.epoch is None else str(record.epoch))
        assert float(row["pd_train_loss"]) == record.pd.train.loss
        assert float(row["before_test_top5"]) == record.metrics.before.test.top5
    assert rows[-1]["params"] == "df=4 scale=1.0 groups=0"
    assert {row[key] for row in rows for key in ("measure_params", "draws", "evaluated", "tv_lemma_1")} == {""}
    new = replace(small[-1], measure_params={"alpha": 0.5}, draws={"samples": 9, "seed": 0})
    new = replace(new, evaluated={"split": "test"}, tv_bounds=TvBounds(pinsker=0.3))
    (row,) = csv.DictReader(io.StringIO(csv_files(build([new]))["csv"]))
    assert (row["measure_params"], row["draws"], row["evaluated"]) == ("alpha=0.5", "samples=9 seed=0", "split=test")
    assert (row["tv_lemma_1"], row["tv_pinsker"]) == ("", "0.3")


def test_bounds_have_a_file_of_their_own_beside_divergence_and_the_plain_one_alone(small):
    assumed = (Assumption("AP3, small", True, 'it is "3"'), Assumption("smooth"))
    bounds = [bound_record(value=1e-300, assumptions=assumed, constants=(Constant("C", 4.0, 0.0),)), bound_record("b")]
    beside, alone = csv_files(build([*small, *bounds])), csv_files(build(bounds))
    assert list(beside) == ["csv", "bounds.csv", "order.csv"]
    assert beside["csv"] == csv_files(build(small))["csv"]
    assert alone == {"csv": beside["bounds.csv"]}
    first, second = csv.DictReader(io.StringIO(alone["csv"]))
    assert (first["statement"], float(first["value"]), first["verdict"]) == ("corollary", 1e-300, "broken")
    assert [one["reason"] for one in json.loads(first["assumptions"])] == ['it is "3"', None]
    assert json.loads(first["constants"]) == [{"name": "C", "value": 4.0, "error": 0.0, "how": None}]
    assert (second["assumptions"], second["constants"]) == ("", "")
