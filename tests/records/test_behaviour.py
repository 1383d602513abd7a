"""The behaviour record: its bytes, and its columns."""

from dataclasses import replace

import pytest
from behaviours import RECORD

from apcli.errors import ApcliError
from apcli.records import lines
from apcli.records.json_objects import columns_of


def test_the_line_is_the_contract():
    line = lines.dump(replace(RECORD, calibration=None, features=None).to_json())
    assert line.startswith('{"kind": "behaviour", "version": 1, "model": "fc5", "data": "digits", "seed": 0, ')
    assert line.endswith(
        '"evaluated": {"data": "digits", "split": "test", "images": 10}, "shift": null, "severity": '
        'null, "predictions": {"agreement": {"value": 80.0, '
        '"low": 44.0, "high": 97.0}, "accuracy": {"dense": 70.0, "pruned": 60.0, "change": {"value": -10.0, "low": '
        '-40.0, "high": 20.0}}, "top5": null, "loss": {"dense": 0.5, "pruned": 0.75, "change": null}, "flips": '
        '{"both_right": 6, "to_wrong": 1, "to_right": 0, "between_wrongs": 1, "alike_wrong": 2, "p": 1.0}, "classes": '
        '[{"label": 3, "name": "cat", "images": 10, "dense": 70.0, "pruned": 60.0, "change": {"value": -10.0, "low": '
        '-40.0, "high": 20.0}, "p": 1.0, "predicted_by_both": 8}], "confusion": [{"dense": 3, "pruned": 5, "images": '
        '2}]}, "calibration": null, "features": null}'
    )
    for record in (RECORD, replace(RECORD, calibration=None, features=None)):
        assert list(lines.load([lines.dump(record.to_json())], "f")) == [record]


def test_columns_are_the_fields():
    row = columns_of(RECORD)
    assert (row["agreement_value"], row["accuracy_change_low"], row["to_wrong"]) == (80.0, -40.0, 1)
    assert (row["calibration_dense_own_nll"], row["calibration_pruned_temperature"]) == (0.5, 2.0)
    assert row["calibration_pruned_scaled_ece_value"] == 0.125


@pytest.mark.parametrize("evaluated", [{}, {"images": 0}, {"images": "10"}, {"images": True}])
def test_images_are_counted(evaluated):
    line = lines.dump(RECORD.to_json() | {"evaluated": evaluated})
    with pytest.raises(ApcliError, match=r"f, line 1 has evaluated.images .*: expected a whole number, 1 or more"):
        list(lines.load([line], "f"))
