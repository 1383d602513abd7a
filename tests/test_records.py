import json
import math

import pytest

from apcli import records
from apcli.errors import ApcliError, UsageError

RECORD = {
    "kind": "divergence",
    "version": 1,
    "value": 0.1,
    "pd": {"test": None},
    "layer": "größe\u2028\n",
    "dist": "ap2",
}


def test_a_record_is_one_line_that_reads_back():
    line = records.dump(RECORD)
    assert "\n" not in line
    assert json.loads(line) == RECORD
    assert list(records.load([line, "", "  \n", line + "\n"], "file")) == [RECORD, RECORD]


@pytest.mark.parametrize("unknown", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(unknown):
    line = records.dump({"a": unknown, "b": {"c": [1.5, (unknown, "x")]}, "d": True, "e": 3})
    assert json.loads(line) == {"a": None, "b": {"c": [1.5, [None, "x"]]}, "d": True, "e": 3}
    assert not {"NaN", "Infinity"} & set(line.replace('"', " ").replace(",", " ").split())


def test_full_precision_survives():
    values = [1 / 3, 5e-324, 1.7976931348623157e308, 2**53 + 1]
    assert json.loads(records.dump({"values": values}))["values"] == values


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("runs/base.safetensors\n", UsageError, "f, line 2 is a checkpoint's path"),
        ("hello", UsageError, "line 2 is 'hello' where a record"),
        ("[1, 2]", ApcliError, "line 2 is no divergence record"),
        ("3", ApcliError, "no divergence record"),
        ('{"kind": "checkpoint", "version": 1}', ApcliError, "no divergence record"),
        ('{"kind": "divergence", "version": 2}', ApcliError, "version 2, expected 1"),
        ('{"kind": "divergence"}', ApcliError, "version None"),
        (json.dumps({**RECORD, "value": "0.1"}), ApcliError, "line 2 has value '0.1': expected a number or null"),
        (json.dumps({**RECORD, "value": True}), ApcliError, "line 2 has value True"),
        (json.dumps({**RECORD, "pd": [1]}), ApcliError, r"line 2 has pd \[1\]: expected an object or null"),
        (json.dumps({**RECORD, "layer": None}), ApcliError, "line 2 has layer None: expected text"),
        (json.dumps({**RECORD, "epoch": 1.5}), ApcliError, "line 2 has epoch 1.5: expected a whole number or null"),
    ],
)
def test_what_is_no_record_is_named_with_its_line(line, error, words):
    reader = records.load([records.dump(RECORD), line], "f")
    assert next(reader) == RECORD
    with pytest.raises(error, match=words) as caught:
        next(reader)
    assert type(caught.value) is error
