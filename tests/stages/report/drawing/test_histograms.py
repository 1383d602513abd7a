"""Histograms of files that are at hand."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import apcli
from apcli.api.runs import file_describer
from apcli.progress import Progress
from apcli.records import lines
from apcli.stages.report.drawing.histograms import weights_of
from apcli.stages.report.runs.experiment import build


@pytest.fixture
def made(tmp_path):
    """A dense file of 48 weights, two prunings of it, and the records of the report."""
    draw = torch.Generator().manual_seed(0)
    dense = tmp_path / "net.safetensors"
    save_file({"fc.weight": torch.randn(6, 8, generator=draw), "fc.bias": torch.zeros(6)}, dense)
    pruned = apcli.prune(dense, method="lowest,highest", sparsity="0.25,0.5")
    records = apcli.divergence(pruned, dist="ap2")
    return dense, [one.path for one in pruned], list(records)


def groups(records, describe=True):
    report = build(records, file_describer(Progress()) if describe else None)
    return report.groups[0]


def test_shares_are_those_of_the_file(made):
    dense, _, records = made
    shown = weights_of(groups(records))
    assert [(w.method.partition(" ")[0], w.sparsity) for w in shown] == [("lowest", 0.5), ("highest", 0.5)]
    assert list(shown[0].states) == ["dense", "pruned"]
    weights = load_file(dense)["fc.weight"].flatten()
    shares, zeros = shown[0].states["dense"]
    counts = torch.histc(weights, len(shares), shown[0].edges[0], shown[0].edges[-1])
    assert [round(48 * share) for share in shares] == counts.int().tolist()
    assert zeros == 0.0
    shares, zeros = shown[0].states["pruned"]
    assert zeros == 0.5 == shown[0].zeros
    assert sum(shares) == pytest.approx(0.5)


def test_files_that_changed_or_were_not_looked_for_are_left_out(made):
    dense, _, records = made
    assert weights_of(groups(records, describe=False)) == ()
    group = groups(records)
    with dense.open("ab") as file:
        file.write(b" ")
    assert weights_of(group) == ()
    dense.unlink()
    assert weights_of(group) == ()
    assert weights_of(groups(records)) == ()


def test_records_that_were_read_name_files(made):
    _, _, records = made
    again = lines.load([lines.dump(record.to_json()) for record in records], "r")
    assert weights_of(groups(list(again))) == weights_of(groups(records))
