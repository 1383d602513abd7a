"""The numbers behind a page: packed once, and the same when they are unpacked."""

import base64
import json
import math
import zlib

from apcli.stages.report.page.embedded import packed


def unpacked(text):
    data = json.loads(zlib.decompress(base64.b64decode(text)))
    columns = [c if isinstance(c, list) else [c["of"][place] for place in c["at"]] for c in data["columns"]]
    return {name: [(head, columns[place]) for head, place in table] for name, table in data["tables"].items()}, data


def test_columns_come_back():
    tables = {"a": [("x", (1, 2.5, None)), ("y", ("a", "a", "ö"))], "b": [("z", (1, 2.5, None))], "c": []}
    found, data = unpacked(packed(tables))
    assert found == {name: [(head, list(cells)) for head, cells in table] for name, table in tables.items()}
    assert len(data["columns"]) == 2, "the same numbers stand there once"


def test_few_values_stand_there_once_each():
    _, data = unpacked(packed({"a": [("x", ["lowest"] * 99 + ["random"])]}))
    assert data["columns"] == [{"of": ["lowest", "random"], "at": [0] * 99 + [1]}]


def test_what_is_no_number_is_not_known():
    found, _ = unpacked(packed({"a": [("x", [math.nan, math.inf, 0.1])]}))
    assert found == {"a": [("x", [None, None, 0.1])]}
