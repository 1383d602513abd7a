"""The page: whole, self-contained, and names from outside are only text."""

import re
from dataclasses import replace

import pytest
from studies import outline, variant

from apcli.records.divergence import DivergenceRecord, File
from apcli.stages.report.drawing.pictures import Pictures
from apcli.stages.report.page.document import page
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.markdown import to_markdown
from apcli.stages.report.writing import html


@pytest.mark.slow
def test_page_is_whole_and_needs_nothing_else(small):
    page = html(variant(small, "ap2"))
    found = outline(page)
    assert not re.search(r"https?://|\ssrc=|@import|url\((?!#)", page)
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert found.headings[0] == "Pruning report: resnet20 on cifar10" == f"Pruning report: {found.headings[1]}"
    order = ["Runs", "The study at a glance", "Accuracy over sparsity", "Fixed method, every sparsity"]
    assert found.headings[2:9] == [
        *order,
        "Fixed sparsity, every method",
        "Final values over sparsity",
        "Divergence against PD",
    ]
    assert found.seen.count("svg") == 2 + 3 + 2 + 1 + 1
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


@pytest.mark.slow
def test_names_from_records_are_only_text(make_grid):
    records, bad = [], "<script>alert('$x$')</script>"
    for r in variant(make_grid(seeds=(0,), epochs=1, sparsities=(0.3,)), "ap2"):
        pruned = File(r.pruned.path + '"><img onerror=x>', r.pruned.sha256)
        names = {"model": bad, "data": bad, "method": r.method + bad, "layer": bad, "scope": bad, "dist": r.dist + bad}
        records.append(replace(r, params={bad: bad}, pruned=pruned, **names))
    page = html(records)
    found = outline(page)
    assert "script" not in found.seen
    assert "img" not in found.seen
    assert "&lt;script&gt;" in page
    assert "<script" not in to_markdown(build(records)).replace("\\<", "")


@pytest.mark.slow
def test_page_of_many_measures(fourteen_measures):
    report = build(fourteen_measures)
    text = page(report, Pictures((), ()))
    found = outline(text)
    order = ["Runs", "Accuracy over sparsity", "Divergence against PD", "Which projection orders PD best"]
    assert found.headings[2:6] == order
    assert "What AP3 says about total variation" in found.headings
    assert "AP of every run, final network." in text
    assert "<small>± 0.25</small>" in text
    assert '<td class="number">0.25</td><td class="number">0.75</td>' in text
    assert ", the best of 14" in text
    assert found.seen.count("details") >= 4
    text = to_markdown(report)
    assert "### Which projection orders PD best" in text
    assert re.search(r"\| τ \| 95 % interval \| below the best by \|", text)
    assert "| 0.25 | 0.75 |" in text
    assert " ± 0.25" in text


def test_one_order_alone_is_not_ranked(small):
    assert "Which projection" not in page(build(small), Pictures((), ()))
    assert "Which projection" not in to_markdown(build(small))


@pytest.mark.slow
def test_files_alone_make_a_page(make_grid):
    page = html(variant(make_grid(seeds=(0,), epochs=0), "ap2"))
    headings = outline(page).headings
    assert "Final values over sparsity" in headings
    assert "Fixed method, every sparsity" not in headings
    assert "In the files as they stand, over 12 runs" in page
    assert "after fine-tuning" not in page


@pytest.mark.slow
def test_unknown_everything_makes_a_page():
    record = DivergenceRecord(dist="ap2", measure="ap2", layer="w", value=0.0)
    text = html([record, DivergenceRecord(dist="new", layer="w")])
    assert "unnamed model on unnamed data" in outline(text).headings
    assert "NaN" not in text
    assert ">None<" not in text
    assert ">nan<" not in text


@pytest.mark.slow
def test_two_models_make_two_parts(make_grid):
    records = variant(make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3)), "ap2")
    found = outline(html([*records, *(replace(r, model="vgg16") for r in records)]))
    assert {"resnet20 on cifar10", "vgg16 on cifar10"} <= set(found.headings)
    assert found.seen.count("svg") == 2 * 4
