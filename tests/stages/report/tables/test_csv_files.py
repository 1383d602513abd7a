"""The records as CSV."""

import csv
import io
from dataclasses import replace

from apcli.records.divergence import TvBounds
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.csv_files import to_csv


def test_csv_holds_every_record_in_full(small):
    rows = list(csv.DictReader(io.StringIO(to_csv(build(small)))))
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
    (row,) = csv.DictReader(io.StringIO(to_csv(build([new]))))
    assert (row["measure_params"], row["draws"], row["evaluated"]) == ("alpha=0.5", "samples=9 seed=0", "split=test")
    assert (row["tv_lemma_1"], row["tv_pinsker"]) == ("", "0.3")
