"""The records that a report carries: what makes two of them the same, and one report a part of another."""

import base64
from dataclasses import replace

from studies import bound_record

from apcli import __version__
from apcli.configs.report import FORMATS
from apcli.stages.report.inputs import digests_of, is_carrier, is_made, mark_of, objection
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.csv_files import csv_files
from apcli.stages.report.tables.json_files import to_json
from apcli.stages.report.tables.latex import to_tex
from apcli.stages.report.tables.markdown import to_markdown


def to_csv(report):
    return csv_files(report)["csv"]


def test_a_record_is_known_by_its_files_bytes_and_its_value(small):
    first, *others = small
    moved = replace(first, dense=replace(first.dense, path="elsewhere/dense.safetensors"))
    digests = digests_of([first])
    assert len(base64.b64decode(digests)) == 6
    assert digests_of([moved, first]) == digests
    assert digests_of([replace(first, value=first.value + 1)]) != digests
    assert digests_of([replace(first, pruned=replace(first.pruned, sha256="0" * 64))]) != digests
    assert digests_of(small) == digests_of([*reversed(others), first])
    assert mark_of(digests) == f"{__version__} {digests}"


def test_a_part_of_the_records_is_replaced_and_nothing_else(small):
    for form, written in (("md", to_markdown), ("csv", to_csv), ("json", to_json), ("tex", to_tex)):
        whole, part = (written(build(records)).encode() for records in (small, small[: len(small) // 2]))
        assert objection(form, part, whole) == objection(form, whole, whole) == ""
        assert objection(form, whole, part) == f"has {len(small) - len(small) // 2} records that the new report lacks"


def test_what_anyone_else_wrote_is_no_report(small):
    for form in FORMATS:
        for content in (b"", b"mine", b"a,b\n1,2\n"):
            assert not is_carrier(form, content)
            assert objection(form, content, content) == "is not known to be a report of apcli"
    assert is_carrier("csv", to_csv(build(small)).encode())
    assert is_carrier("csv", to_csv(build([bound_record()])).encode())


def test_the_report_of_the_same_records_is_known_by_its_mark(small):
    content, digests = to_markdown(build(small)).encode(), digests_of(small)
    assert is_made(content, digests)
    assert is_made(content, build(small).digests)
    assert not is_made(content, digests_of(small[1:]))
    assert not is_made(content.replace(__version__.encode(), b"0.1.0"), digests)
    assert not is_made(b"mine", digests)
    assert not is_made(content, digests, "published")
    published = content.replace(mark_of(digests).encode(), mark_of(digests, "published").encode())
    assert is_made(published, digests, "published")
