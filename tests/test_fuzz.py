"""Mutated files for each reader, a few hundred: ``make fuzz`` goes on."""

import io
import json
import random
import struct
import zipfile
from pathlib import Path

import fuzz
import fuzz_lines
import fuzz_seeds
import fuzz_targets
import hostile_files
import pytest
from fuzz_mutations import laid_out, mutated

from apcli import published
from apcli.checkpoints.files import shards
from apcli.errors import ApcliError

MANY, FEW = 1000, {"pickle": 100}


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzz_targets.TARGETS)
def test_no_reader_breaks(target):
    draw, judge = random.Random(0), fuzz.Judge(target)
    good, inputs = fuzz_seeds.good(target), [one for one in fuzz_seeds.seeds(target) if len(one) < fuzz_seeds.MOST]
    for content in inputs:
        judge(content)
    for _ in range(FEW.get(target, MANY)):
        content = draw.choice(good[:2] if draw.random() < 0.7 else inputs)
        for _ in range(draw.randint(1, 3)):
            content = mutated(content, draw)
        judge(content)
    assert judge.runs > FEW.get(target, MANY)
    assert judge.refused > 0 or target == "kept"
    assert target != "checkpoint" or judge.parsed > 0.3 * judge.runs


@pytest.mark.slow
def test_the_seeds_run_the_readers_lines(monkeypatch):
    def fetched(name: str, *, download: bool) -> Path:
        """As with ``offer_published``, which has to come before the libraries are imported."""
        if name not in ("hf:owner/name", "torchvision:alexnet"):
            raise ApcliError(f"{name} is not in the cache")
        return fuzz_targets.DENSE

    monkeypatch.setattr(published, "fetched", fetched)
    missing = fuzz_lines.not_run({target: fuzz_seeds.seeds(target) for target in fuzz_targets.TARGETS})
    assert {name: missing for name, share in fuzz_lines.shares(missing).items() if share < 0.95} == {}


def test_what_no_file_reaches_is_there():
    for module, names in fuzz_lines.NOT_READ.items():
        assert all(callable(getattr(module, name)) for name in names)


def test_lines_are_those_of_functions_but_not_the_answers_to_the_system():
    text = Path(shards.__file__).read_text().splitlines()
    found = {text[line - 1].strip() for line in fuzz_lines.lines_of(shards)}
    assert "index = json.loads(text)" in found
    assert not found & {"def is_index(path: Path) -> bool:", "import json", "except OSError as error:"}


def test_mutations_differ_and_can_be_repeated():
    content = fuzz_seeds.good("checkpoint")[0]
    made, again = ([mutated(content, random.Random(seed)) for seed in range(100)] for _ in range(2))
    assert made == again
    assert len({*made} - {content}) > 70, "a place may get the value that it has, or the one of another seed"


def test_most_mutations_of_an_archive_are_archives():
    content = fuzz_seeds.good("pickle")[0]
    made = [mutated(content, random.Random(seed)) for seed in range(100)]
    assert sum(map(_is_whole, made)) > 70
    assert len({*made} - {content}) > 70


def _is_whole(content: bytes) -> bool:
    """Whether an archive's checksums are those of its members."""
    try:
        return zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    except (ValueError, NotImplementedError, RuntimeError, EOFError, zipfile.BadZipFile):
        return False


def test_a_judge_tells_a_finding(monkeypatch):
    judge = fuzz.Judge("checkpoint")
    monkeypatch.setattr(judge, "work", lambda content: struct.unpack("<Q", content))
    with pytest.raises(struct.error):
        judge(b"")


def test_a_layout_is_mended():
    header = {"a": hostile_files.tensor([2, 2], 9, 9), "b": hostile_files.tensor([3], 0, 0, dtype="U8"), "c": 7}
    made, data = laid_out(header, b"x")
    assert [made[name]["data_offsets"] for name in "ab"] == [[0, 16], [16, 19]]
    assert (made["c"]["data_offsets"], len(data)) == ([19, 21], 21)
    assert json.dumps(made)
