"""The report as Markdown: the order of the page, its tables, and text that Markdown would take for something else."""

import re
from dataclasses import replace

import pytest
from studies import only_group

from apcli.records.json_objects import OtherRecord
from apcli.stages.report.answers.answers import answers
from apcli.stages.report.answers.caveats import caveats
from apcli.stages.report.answers.checklist import checklist
from apcli.stages.report.answers.done import done
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.sections import sections_of
from apcli.stages.report.tables.columns import Column, ReportTable
from apcli.stages.report.tables.markdown import _grid, _table, to_markdown


def plain(text):
    """What a reader sees of text: without the escapes, the emphasis and the code marks."""
    return re.sub(r"\\(.)", r"\1", re.sub(r"(?<!\\)[*`]", "", text))


def test_its_parts_stand_in_the_order_of_the_page(small):
    report = build(small)
    (group,) = report.groups
    text = to_markdown(report)
    heads = re.findall(r"^#+ .*$", text, re.MULTILINE)
    assert [head for head in heads if not head.startswith("###")] == [
        "# Pruning report: resnet20 on cifar10",
        *("## Answers", "## Before you trust it", "## Evidence", "## How to repeat it", "## Files", "## Definitions"),
    ]
    cards, sections = answers(report, group), sections_of(report, group)
    assert [plain(head) for head in heads if head.startswith("###")] == [
        *(f"### {card.question}" for card in cards),
        *(f"### {row.title}" for row, _ in sections),
    ]
    shown = plain(text)
    assert shown.index(done(report, group)) < shown.index("## Answers")
    assert all(f"{card.number}. {card.sentence}" in shown for card in cards)


def test_what_is_open_has_its_reason_and_what_is_met_is_counted(small):
    report = build(small)
    checks = checklist(report, *report.groups)
    shown = plain(to_markdown(report))
    for check in checks:
        assert (f"- {check.item}: {plain(check.reason)}" in shown) == (not check.passed)
    assert f"Met: {sum(check.passed for check in checks)} of {len(checks)} points of the checklist." in shown
    assert all(f"- {line}" in shown for line in caveats(report.groups))


def test_a_row_per_run_with_mean_and_sd(small):
    text = to_markdown(build(small))
    (head,) = (line for line in text.splitlines() if line.startswith("| method | sparsity | test accuracy, just"))
    rows = text[text.index(head) :].split("\n\n")[0].splitlines()
    assert rows[1] == "| --- | --: | --: | --: | --: |"
    assert {line.count(" | ") for line in rows} == {4}
    group = only_group(small)
    assert [line.split(" | ")[:2] for line in rows[2:]] == [[f"| {r.method}", f"{r.sparsity:g}"] for r in group.runs]
    run = group.runs[0]
    accuracy = run.accuracy("pruned")
    assert f"{accuracy.mean:.2f} ± {accuracy.sd:.2f}" in rows[2]


def test_every_table_of_every_section_is_there(small):
    report = build(small)
    text = plain(to_markdown(report))
    listed = [section for _, section in sections_of(report, *report.groups)]
    assert all(f"{table.title}." in text for section in listed for table in section.tables)
    details = [table for section in listed for table in section.details]
    assert details
    assert text.count("<details>") == text.count("</details>") == len(details)


def test_columns_that_say_the_same_are_a_sentence_and_further_ones_left_out():
    table = ReportTable("t", "A table", "Of things.", (
        Column("thing", ("a", "b")), Column("same", (1, 1)), Column("other", (1, 2), further=True),
    ))  # fmt: skip
    caption, grid = _table(table)
    assert caption == "**A table.** Of things. The same in every row: same 1."
    assert grid == "| thing |\n| --- |\n| a |\n| b |"


def test_a_long_table_ends_where_nobody_reads_on():
    rows = tuple(map(str, range(250)))
    _, grid, rest = _table(ReportTable("t", "A table", "", (Column("row", rows),)))
    assert grid.splitlines()[-1] == "| 99 |"
    assert rest.startswith("150 more rows: ")


@pytest.mark.parametrize(
    "evil", ["a|b", "<script>x</script>", "[x](javascript:y)", "*a* _b_ `c` ~~d~~ $e$", "\\", "&lt;"]
)
def test_a_name_is_shown_as_it_is(evil, small):
    text = to_markdown(build([replace(record, method=evil, model=evil) for record in small]))
    assert "<script" not in text.replace("\\<script", "")
    assert f"{evil} (layer)" in plain(text.replace("`", "")) or "`" in evil
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line.replace("\\\\", ""))) for line in table.splitlines()}
        assert len(bars) == 1
    assert _grid([Column(evil, (evil,))]).count("\n") == 2


@pytest.mark.parametrize(
    ("text", "shown"), [("- a", r"\- a"), ("1. a", r"1\. a"), ("# a", r"\# a"), ("9.5 %", "9.5 %")]
)
def test_a_sentence_begins_no_list(text, shown):
    assert _grid([Column(text, ("x",))]).startswith(f"| {shown} |")


def test_several_models_have_sections_of_their_own(small):
    text = to_markdown(build([*small, *(replace(record, model="vgg16") for record in small)]))
    assert text.startswith("# Pruning report: 2 studies\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "resnet20 on cifar10",
        "vgg16 on cifar10",
        "Files",
        "Definitions",
    ]
    assert text.count("### Answers") == 2


def test_records_that_no_section_shows_are_told(small):
    text = to_markdown(build([*small, OtherRecord({"kind": "later_kind", "version": 1})]))
    assert r"No section shows 1 record of kind later\_kind: this version of apcli does not know them." in text
