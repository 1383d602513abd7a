import json
import math

import numpy as np
import pytest

from apcli.errors import ApcliError, UsageError
from apcli.records.divergence import DivergenceRecord
from apcli.records.json_objects import OtherRecord
from apcli.records.lines import dump, load

RECORD = {
    "kind": "divergence",
    "version": 1,
    "value": 0.1,
    "pd": {"test": None},
    "layer": "größe\u2028\n",
    "dist": "ap2",
}


def test_a_record_is_one_line_that_reads_back():
    line = dump(RECORD)
    assert "\n" not in line
    assert json.loads(line) == RECORD
    record = DivergenceRecord(value=0.1, layer="größe\u2028\n", dist="ap2")
    assert list(load([line, "", "  \n", line + "\n"], "file")) == [record, record]
    assert list(load([dump(record.to_json())], "file")) == [record]


def test_a_record_of_a_kind_to_come_is_kept_whole():
    members = {"kind": "chapter", "version": 7, "bound": [1.5, {"a": "ö"}]}
    (record,) = load([json.dumps({**members, "worst": math.inf})], "file")
    assert record == OtherRecord({**members, "worst": None})
    assert list(load([dump(record.to_json())], "file")) == [record]


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(unknown):
    line = dump({"a": unknown, "b": {"c": [1.5, (unknown, "x")]}, "d": True, "e": 3})
    assert json.loads(line) == {"a": None, "b": {"c": [1.5, [None, "x"]]}, "d": True, "e": 3}
    assert not {"NaN", "Infinity"} & set(line.replace('"', " ").replace(",", " ").split())
    (record,) = load([json.dumps({**RECORD, "value": unknown})], "file")
    assert record.value is None


def test_what_is_no_number_or_no_text_is_the_same_read_as_written():
    odd = {**RECORD, "value": math.inf, "layer": "\udcff\u00fc", "pd": {"test": {"loss": math.nan}}}
    plain = {**RECORD, "value": None, "layer": "\\udcffü", "pd": {"test": {"loss": None}}}
    assert dump(odd) == dump(plain)
    huge = json.dumps({**odd, "value": "huge"}).replace('"huge"', "1e999")
    whole = json.dumps({**odd, "value": 10**400})
    assert list(load([json.dumps(odd), huge, whole], "file")) == list(load([dump(plain)] * 3, "file"))


def test_scalars_of_numpy_are_numbers():
    given = {"holds": np.bool_(True), "kept": np.int64(3), "bound": np.float32(0.5)}
    assert json.loads(dump(given)) == {"holds": True, "kept": 3, "bound": 0.5}
    assert json.loads(dump({**given, "bound": np.float32("nan")})) == {"holds": True, "kept": 3, "bound": None}
    with pytest.raises(TypeError, match="no JSON stands for"):
        dump({"a": object()})


def test_full_precision_survives():
    values = [1 / 3, 5e-324, 1.7976931348623157e308, 2**53 + 1]
    assert json.loads(dump({"values": values}))["values"] == values


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("runs/base.safetensors\n", UsageError, "f, line 2 is a checkpoint's path"),
        ("hello", UsageError, "line 2 is 'hello' where a record"),
        ("[1, 2]", ApcliError, "line 2 is no record"),
        ("3", ApcliError, "is no record: expected JSON Lines from apcli divergence"),
        ('{"kind": ["divergence"]}', ApcliError, "is no record"),
        ('{"kind": "divergence", "version": 2}', ApcliError, "version 2, expected 1"),
        ('{"kind": "divergence"}', ApcliError, "version None"),
        (json.dumps({**RECORD, "value": "0.1"}), ApcliError, "line 2 has value '0.1': expected a number or null"),
        (json.dumps({**RECORD, "value": True}), ApcliError, "line 2 has value True"),
        (json.dumps({**RECORD, "pd": [1]}), ApcliError, r"line 2 has pd \[1\]: expected an object or null"),
        (json.dumps({**RECORD, "layer": None}), ApcliError, "line 2 has layer None: expected text"),
        (json.dumps({**RECORD, "epoch": 1.5}), ApcliError, "line 2 has epoch 1.5: expected a whole number or null"),
        (json.dumps({**RECORD, "pd": {"test": {"loss": "1"}}}), ApcliError, "line 2 has pd.test.loss '1': expected a"),
    ],
)
def test_what_is_no_record_is_named_with_its_line(line, error, words):
    reader = load([dump(RECORD), line], "f")
    assert next(reader).value == 0.1
    with pytest.raises(error, match=words) as caught:
        next(reader)
    assert type(caught.value) is error
