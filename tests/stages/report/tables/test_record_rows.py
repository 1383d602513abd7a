"""The columns of a record in the CSV file."""

from dataclasses import replace

from apcli.records.divergence import Metrics
from apcli.records.json_objects import columns_of
from apcli.stages.report.tables.record_rows import row_of


def test_the_change_of_accuracy_stands_behind_its_size(small):
    for record in small:
        row = row_of(record)
        assert {name: row[name] for name in columns_of(record)} == columns_of(record)
        for split in ("test", "train"):
            names = list(row)
            assert names[names.index(f"pd_{split}_accuracy") + 1] == f"change_{split}_accuracy"
            change = row[f"change_{split}_accuracy"]
            assert abs(change) == row[f"pd_{split}_accuracy"]
            assert (change < 0) == (row[f"pruned_{split}_accuracy"] < row[f"dense_{split}_accuracy"])


def test_a_change_of_unknown_accuracy_is_not_known(small):
    row = row_of(replace(small[0], metrics=Metrics(dense=small[0].metrics.dense)))
    assert row["change_test_accuracy"] is row["change_train_accuracy"] is None
