"""Mutated files for each reader, a few hundred: ``make fuzz`` goes on."""

import json
import random
import struct

import fuzz
import hostile_files
import pytest

FEW = {"pickle": 100}


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_no_reader_breaks(target):
    draw, judge = random.Random(0), fuzz.Judge(target)
    inputs = [content for content in fuzz.seeds(target) if len(content) < 1 << 16]
    for content in inputs:
        judge(content)
    for _ in range(FEW.get(target, 1000)):
        content = draw.choice(inputs[:2] if draw.random() < 0.7 else inputs)
        for _ in range(draw.randint(1, 3)):
            content = fuzz.mutated(content, draw)
        judge(content)
    assert judge.runs > FEW.get(target, 1000)
    assert judge.refused > 0 or target == "kept"
    assert target != "checkpoint" or judge.parsed > 0.3 * judge.runs


@pytest.mark.slow
def test_the_seeds_run_most_of_the_readers_lines():
    shares = fuzz.covered("checkpoint", fuzz.seeds("checkpoint"))
    assert shares["safetensors_files"] > 0.5, "writing is the other half"
    assert shares["lineage"] > 0.4
    assert fuzz.covered("kept", [b"0-3,5\n5"])["kept_channels"] > 0.2


def test_mutations_differ_and_can_be_repeated():
    content = fuzz.good_checkpoints()[0]
    made, again = ([fuzz.mutated(content, random.Random(seed)) for seed in range(100)] for _ in range(2))
    assert made == again
    assert len({*made} - {content}) > 70, "a place may get the value that it has, or the one of another seed"


def test_a_judge_tells_a_finding(monkeypatch):
    judge = fuzz.Judge("checkpoint")
    monkeypatch.setattr(judge, "work", lambda content: struct.unpack("<Q", content))
    with pytest.raises(struct.error):
        judge(b"")


def test_a_layout_is_mended():
    header = {"a": hostile_files.tensor([2, 2], 9, 9), "b": hostile_files.tensor([3], 0, 0, dtype="U8"), "c": 7}
    made, data = fuzz._laid_out(header, b"x")
    assert [made[name]["data_offsets"] for name in "ab"] == [[0, 16], [16, 19]]
    assert (made["c"]["data_offsets"], len(data)) == ([19, 21], 21)
    assert json.dumps(made)
