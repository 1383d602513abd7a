"""The table of files: each once, dense and pruned."""

from apcli.records.divergence import DivergenceRecord
from apcli.stages.report.evidence.files import files_table
from apcli.stages.report.runs.experiment import build


def test_every_file_stands_there_once(small):
    table = files_table(build(small))
    found = {column.name: column.cells for column in table.columns}
    paths = {file.path for record in small for file in (record.dense, record.pruned)}
    assert sorted(found["file"]) == sorted(path.rpartition("/")[2] for path in paths)
    assert found["role"] == ("dense",) * 2 + ("pruned",) * 12
    digests = {sha256[:12] for record in small for sha256 in (record.dense.sha256, record.pruned.sha256)}
    assert set(found["SHA-256, first digits"]) == digests


def test_no_file_is_known_of_bare_records():
    assert len(files_table(build([DivergenceRecord(layer="*", dist="ap2")]))) == 0
