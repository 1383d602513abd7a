import copy
import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from apcli.errors import ApcliError, UsageError
from apcli.records.divergence import DivergenceRecord, File, TvBounds
from apcli.stages.report.experiment import Stat, build
from apcli.stages.report.page.document import html, make, page
from apcli.stages.report.tables.rows import number, spread, to_csv, to_markdown

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Outline(HTMLParser):
    """Balanced tags, ids, links and the text of headings."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.headings, self.seen = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open += [tag] if tag not in VOID else []
        for key, value in attrs:
            self.ids += [value] if key == "id" else []
            self.links += [value] if key in ("href", "src", "xlink:href") else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("title", "h1", "h2"):
            self.headings.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture
def small(make_grid):
    return make_grid(seeds=(0, 1), epochs=2, sparsities=(0.1, 0.5))


def test_page_is_whole_and_needs_nothing_else(small):
    page = html(small)
    found = outline(page)
    assert not re.search(r"https?://|\ssrc=|@import|url\((?!#)", page)
    assert found.links
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert found.headings[0] == "Pruning report: resnet20 on cifar10" == f"Pruning report: {found.headings[1]}"
    order = ["Runs", "Accuracy over sparsity", "Fixed method, every sparsity", "Fixed sparsity, every method"]
    assert found.headings[2:7] == [*order, "AP against PD"]
    assert found.seen.count("svg") == 1 + 3 + 2 + 1
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_names_from_records_are_only_text(make_grid):
    records, bad = [], "<script>alert('$x$')</script>"
    for r in make_grid(seeds=(0,), epochs=1, sparsities=(0.3,)):
        pruned = File(r.pruned.path + '"><img onerror=x>', r.pruned.sha256)
        names = {"model": bad, "data": bad, "method": r.method + bad, "layer": bad, "scope": bad, "dist": r.dist + bad}
        records.append(replace(r, params={bad: bad}, pruned=pruned, **names))
    page = html(records)
    found = outline(page)
    assert "script" not in found.seen
    assert "img" not in found.seen
    assert "&lt;script&gt;" in page
    assert "<script" not in to_markdown(build(records)).replace("\\<", "")


@pytest.fixture
def many(make_grid):
    """Fourteen measures, some of them estimates, some with bounds on total variation."""
    records = make_grid(seeds=(0,), epochs=1)
    kept = [*records]
    for index in range(11):
        for r in (r for r in records if r.dist == "gaussian"):
            value = r.value * (1 + (ord(r.pruned.sha256[index]) % 7))
            drawn = {"params": {"cov": f"kind-{index}"}, "value": value, "std_error": 0.25 if index == 10 else 0.0}
            kept.append(replace(r, **drawn, tv_bounds=TvBounds(None, 0.25, 0.75, 1.0)))
    return kept


def test_page_of_many_measures(many):
    text = page(build(many), [])
    found = outline(text)
    assert found.headings[2:4] == ["Runs", "Which projection orders PD best"]
    assert "What AP3 says about total variation" in found.headings
    assert "AP of every run, final network." in text
    assert "<small>± 0.25</small>" in text
    assert '<td class="number">0.25</td><td class="number">0.75</td>' in text
    assert ", the best of 14" in text
    assert found.seen.count("details") >= 4
    text = to_markdown(build(many))
    assert "### Which projection orders PD best" in text
    assert re.search(r"\| τ \| 95 % interval \| below the best by \|", text)
    assert "| 0.25 | 0.75 |" in text
    assert " ± 0.25" in text


def test_one_order_alone_is_not_ranked(small):
    assert "Which projection" not in page(build(small), [])
    assert "Which projection" not in to_markdown(build(small))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (Stat(0.0123, None, 1), "0.0123"),
        (Stat(0.0123, None, 1, 4e-4), "0.0123 ± 0.0004"),
        (Stat(0.0123, 0.001, 3), "0.0123 ± 0.001"),
        (Stat(0.0123, 0.001, 3, 4e-4), "0.0123 ± 0.001 (s.e. 0.0004)"),
    ],
)
def test_spreads_and_standard_errors(value, text):
    assert spread(value) == text


def test_files_alone_make_a_page(make_grid):
    page = html(make_grid(seeds=(0,), epochs=0))
    headings = outline(page).headings
    assert "Final values over sparsity" in headings
    assert "Fixed method, every sparsity" not in headings
    assert "In the files as they stand, over 12 runs" in page
    assert "after fine-tuning" not in page


def test_unknown_everything_makes_a_page():
    record = DivergenceRecord(dist="ap2", measure="ap2", layer="w", value=0.0)
    page = html([record, DivergenceRecord(dist="new", layer="w")])
    assert "unnamed model on unnamed data" in outline(page).headings
    assert "NaN" not in page
    assert ">None<" not in page
    assert ">nan<" not in page


def test_two_models_make_two_parts(make_grid):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3))
    found = outline(html([r for r in [*records, *(replace(r, model="vgg16") for r in records)] if r.dist == "ap2"]))
    assert {"resnet20 on cifar10", "vgg16 on cifar10"} <= set(found.headings)
    assert found.seen.count("svg") == 6


def test_make_writes_every_format(make_grid, tmp_path):
    records = make_grid(seeds=(0,), epochs=0, sparsities=(0.1, 0.3))
    stem = tmp_path / "out" / "my.report"
    paths = make(records, ["html", "md", "csv", "png", "svg"], stem)
    names = [path.name.removeprefix("my.report.") for path in paths]
    order = list(csv.DictReader(io.StringIO(paths[3].read_text(encoding="utf-8"))))
    assert order[0]["tau_low"] != ""
    assert float(order[0]["tau_low"]) <= float(order[0]["tau"]) <= float(order[0]["tau_high"])
    assert {row["pd"] for row in order} == {"test loss", "train loss"}
    drawn = [f"{name}.{form}" for form in ("png", "svg") for name in ("accuracy", "over-sparsity", "ap-against-pd")]
    assert names == ["html", "md", "csv", "order.csv", *drawn]
    assert sorted(paths) == sorted(stem.parent.iterdir())
    assert paths[0].read_text(encoding="utf-8") == html(copy.deepcopy(records)), "the same page twice"


def test_make_refuses_what_is_there_and_writes_nothing(small, tmp_path):
    (tmp_path / "r.csv").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        make(small, ["md", "csv"], tmp_path / "r")
    assert [p.name for p in tmp_path.iterdir()] == ["r.csv"]
    assert (tmp_path / "r.csv").read_text() == "mine"
    make(small, ["md", "csv"], tmp_path / "r", overwrite=True)
    assert (tmp_path / "r.csv").read_text().startswith("model,")


def test_make_refuses_nonsense(small, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'pdf': known are html, md, csv, png, svg"):
        make(small, ["pdf"], tmp_path / "r")
    with pytest.raises(ApcliError, match="no divergence record"):
        make([], ["md"], tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_figure_names_never_leave_the_folder(make_grid, tmp_path):
    names = {"lowest": "../../x", "random": "x", "highest": "X"}
    records = [replace(r, method=names[r.method]) for r in make_grid(seeds=(0,), epochs=1, sparsities=(0.1,))]
    paths = make(records, ["svg"], tmp_path / "r")
    assert all(path.parent == tmp_path for path in paths)
    assert len(set(paths)) == len(paths) == 5


def test_csv_holds_every_record_in_full(small):
    rows = list(csv.DictReader(io.StringIO(to_csv(build(small)))))
    assert len(rows) == len(small)
    for row, record in zip(rows, small, strict=True):
        assert float(row["value"]) == record.value
        assert row["layer"] == record.layer
        assert row["epoch"] == ("" if record.epoch is None else str(record.epoch))
        assert float(row["pd_train_loss"]) == record.pd.train.loss
        assert float(row["before_test_top5"]) == record.metrics.before.test.top5
    assert rows[-1]["params"] == "df=4 scale=1.0 groups=0"
    assert {row[key] for row in rows for key in ("measure_params", "draws", "evaluated", "tv_lemma_1")} == {""}
    new = replace(small[-1], measure_params={"alpha": 0.5}, draws={"samples": 9, "seed": 0})
    new = replace(new, evaluated={"split": "test"}, tv_bounds=TvBounds(pinsker=0.3))
    (row,) = csv.DictReader(io.StringIO(to_csv(build([new]))))
    assert (row["measure_params"], row["draws"], row["evaluated"]) == ("alpha=0.5", "samples=9 seed=0", "split=test")
    assert (row["tv_lemma_1"], row["tv_pinsker"]) == ("", "0.3")


def test_markdown_has_a_row_per_run(small):
    text = to_markdown(build(small))
    assert text.startswith("# Pruning report: resnet20 on cifar10\n")
    runs = [line for line in text.splitlines() if re.match(r"\| (lowest|random|highest) \| 0\.\d \|", line)]
    assert len(runs) == 6
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count(" | ") for line in tables[:8]}
    assert len(widths) == 1
    run = build(small).groups[0].runs[0]
    accuracy = run.accuracy("pruned")
    assert f"{accuracy.mean:.2f} ± {accuracy.sd:.2f}" in runs[0]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.23456e-7, "1.235e-7"), (91.5, "91.5"), (1.5e12, "1.5e12")])
def test_numbers(value, text):
    assert number(value) == text
