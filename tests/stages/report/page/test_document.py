"""The page as text: whole, self-contained, in order, and names from outside are only text."""

import base64
import hashlib
import itertools
import re
from dataclasses import replace

import pytest
from behaviours import EXEMPLARS, RECORD
from markupsafe import escape
from studies import bound_record, outline, variant

from apcli.records.divergence import DivergenceRecord, Metrics, PerformanceDifference
from apcli.records.json_objects import OtherRecord
from apcli.records.pair import File
from apcli.stages.report.drawing.pictures import Pictures
from apcli.stages.report.page.document import page, prose
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.terms import TERMS
from apcli.stages.report.writing import html

NO_PICTURES = Pictures((), ())


def plain(records):
    return page(build(records), NO_PICTURES)


def levels(text):
    return [int(level) for level in re.findall(r"<h(\d)", text)]


@pytest.mark.slow
def test_page_is_whole_and_needs_nothing_else(small):
    text = html(small)
    found = outline(text)
    assert not re.search(r"\ssrc=|@import|url\(", text)
    assert found.links
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert len(found.ids) == len(set(found.ids))


def test_what_a_reader_asks_first_comes_first(small):
    found = outline(plain(small))
    places = [found.ids.index(name) for name in (
        "answers", "trust", "evidence", "accuracy", "divergence", "order", "epochs", "repeat", "files", "definitions"
    )]  # fmt: skip
    assert places == sorted(places)
    assert found.headings[:2] == ["Pruning report: resnet20 on cifar10", "resnet20 on cifar10"]


def test_the_only_script_is_the_one_that_the_policy_allows(small):
    text = plain(small)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    scripts = re.findall(r"<script(?: [^>]*)?>(.*?)</script>", text, re.DOTALL)
    allowed = re.search(r"script-src 'sha256-([^']*)'", policy)[1]
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert digests.index(allowed) == 1
    assert len(scripts) == 2


def test_levels_of_headings_have_no_gap(small):
    other = [replace(record, model="vgg16") for record in small]
    for records, deepest in ((small, 3), ([*small, *other], 4)):
        found = levels(plain(records))
        assert found[0] == found.count(1) == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(found))
        assert max(found) == deepest


@pytest.mark.slow
def test_names_from_records_are_only_text(make_grid):
    records, bad = [], "<script>alert('$x$')</script>"
    for r in variant(make_grid(seeds=(0,), epochs=1, sparsities=(0.3,)), "ap2"):
        pruned = File(r.pruned.path + '"><img onerror=x>', r.pruned.sha256)
        names = {"model": bad, "data": bad, "method": r.method + bad, "layer": bad, "scope": bad, "dist": r.dist + bad}
        records.append(replace(r, params={bad: bad}, pruned=pruned, **names))
    text = html([*records, OtherRecord({"kind": bad})])
    found = outline(text)
    assert found.seen.count("script") == 2
    assert "img" not in found.seen
    assert "&lt;script&gt;" in text


def test_terms_are_defined_where_they_first_stand_and_at_the_end(small):
    found = outline(plain(small))
    defined = [term for term in TERMS if term.anchor in found.ids]
    assert {"AP2", "loss difference (PD)", "sparsity"} <= {term.name for term in defined}
    assert all(found.links.count(f"#{term.anchor}") == 1 for term in defined)


def test_a_card_defines_its_own_words(small):
    text = plain(small)
    cards = re.findall(r"<article.*?</article>", text, re.DOTALL)
    order = next(card for card in cards if "Does a divergence predict" in card)
    for name in ("AP2", "loss difference (PD)", "rank agreement (Kendall’s τ)"):
        term = next(term for term in TERMS if term.name == name)
        assert f'<a href="#{term.anchor}">{escape(name)}</a></dt><dd>{escape(term.in_short)}.</dd>' in order
    assert "set to exactly zero" not in text[: text.index('id="definitions"')], "in short above, in full below"
    head = text[text.index("<h1>") : text.index("<article")]
    assert 'href="#term-sparsity"' in head, "the line about the study uses it first"


def test_scopes_of_runs_are_defined_before_they_stand_in_a_table(small):
    text = plain([replace(r, pd=PerformanceDifference(), metrics=Metrics()) for r in small])
    assert text.index('href="#term-layer"') < text.index('<th scope="row">lowest (layer)</th>')


def test_kinds_that_no_section_shows_are_counted(small):
    text = " ".join(plain([*small, *[OtherRecord({"kind": "spectrum"})] * 3]).split())
    assert "No section shows 3 records of kind spectrum: this version of apcli does not know that kind." in text
    assert f"{len(small)} divergence records, 3 spectrum records" in text
    assert "No section shows" not in plain(small)


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
    ids = {f"{kind}study-{number}-accuracy" for kind in ("", "table-") for number in (1, 2)}
    assert ids <= set(found.ids)


def test_code_is_code():
    assert prose("<b> `apcli report` & `x`") == "&lt;b&gt; <code>apcli report</code> &amp; <code>x</code>"


def test_bound_records_alone_are_a_page():
    text = html([bound_record("lemma 2", 3.0), bound_record("R2", 1.5, standing="proven")])
    assert outline(text).links
    assert "Do the bounds hold" in text
    assert "Which method keeps the accuracy" not in text
    assert "checklist is open" not in text


def test_images_of_a_section_stand_on_the_page_and_nothing_else_is_loaded():
    text = plain([RECORD, EXEMPLARS])
    assert re.findall(r'src="([^"]*)"', text) == ["data:image/png;base64,iVBORw0KGgo="]
    assert 'alt="cat: wrong in 4 of 5 networks, mostly as 5"' in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "img-src data:" in policy
    assert "Images that dense networks get right and most of 5 pruned ones at sparsity 0.5 wrong." in text
