"""The report as LaTeX: its structure, its numbers, and names that LaTeX would take for commands."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import only_group, variant

from apcli.stages.report.comparisons.summary import comparisons_of
from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.latex import escaped, to_tex
from apcli.stages.report.tables.overview import accuracy_tables

NAMED = {"textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<", "textgreater": ">",
         "textbar": "|", "textasciigrave": "`"}  # fmt: skip
MATHS = {"-": "−", "\\pm": "±", "\\times": "×", "\\tau": "τ"}


def printed(text):
    """What LaTeX prints for text in which every special character is escaped: plain rules, one after the other."""
    text = text.replace("-{}-", "--").replace("-{}-", "--")
    shown = re.sub(r"\$(\S+?)\$", lambda m: MATHS[m[1]], text.replace(r"\$", "\0"))
    shown = re.sub(r"\\(text\w+)\{\}", lambda m: "\1" if NAMED[m[1]] == "\\" else NAMED[m[1]], shown)
    return re.sub(r"\\([{}&#_%])", r"\1", shown).replace("\0", "$").replace("\1", "\\")


@given(st.text(st.sampled_from("a B-{}$&#_%\\^~<>|`−±×τ,ü")))
def test_every_character_is_printed_as_it_is(text):
    assert printed(escaped(text)) == text
    assert "--" not in escaped(text)
    bare = re.sub(r"\\[{}&#_%$]", "", escaped(text))
    assert bare.count("{") == bare.count("}") == bare.count("{}")
    assert not set("&#_%^~<>|`") & set(bare)


def test_what_is_not_printable_is_escaped():
    assert escaped("\x1b\n") == r"\textbackslash{}x1b\textbackslash{}n"


def rows_of(tex):
    """The cells of each row of each table."""
    tables = re.findall(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", tex, re.DOTALL)
    for columns, body in tables:
        rows = [
            line.strip() for line in body.splitlines() if line.rstrip().endswith(r"\\") and "multicolumn" not in line
        ]
        cells = [re.split(r"(?<!\\)&", row.removesuffix(r"\\")) for row in rows]
        assert {len(row) for row in cells} == {len(columns)}
        yield [[cell.strip() for cell in row] for row in cells]


@pytest.mark.parametrize("model", ["resnet20", r"\input{x} & 50% #1_$"])
def test_tables_have_whole_rows_and_environments_that_end(small, model):
    tex = to_tex(build([replace(record, model=model) for record in small]))
    assert list(map(len, rows_of(tex))) == [7, 7]
    opened = re.findall(r"\\(begin|end)\{(\w+)\}", tex)
    assert [name for _, name in opened] == ["table", "tabular", "tabular", "table"] * 2
    for rule in ("toprule", "bottomrule", "caption", "label"):
        assert tex.count(f"\\{rule}") == 2
    assert set(re.findall(r"\\(?:top|mid|bottom|cmid|h)(?:rule|line)", tex)) == {
        *(r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule")
    }
    assert tex.splitlines()[-2] == r"\endinput"


def test_accuracies_are_means_with_sd_and_n(small):
    tex = to_tex(build(small))
    accuracy, _ = rows_of(tex)
    assert accuracy[0] == ["method", "0.1", "0.5"]
    before, after = accuracy_tables(only_group(small))
    for row, shown in zip([*before.rows, *after.rows], accuracy[1:], strict=True):
        assert shown == [row.method, *(rf"${e.mean:.2f} \pm {e.sd:.2f}$" for e in row.estimates)]
    dense = rf"Dense: ${after.dense.mean:.2f} \pm {after.dense.sd:.2f}$"
    assert f"over $n = 2$ dense networks. {dense}." in tex


def test_numbers_of_different_n_say_theirs(small):
    fewer = [r for r in small if (r.method, r.seed) != ("lowest", 1)]
    tex = to_tex(build(fewer))
    assert "over $n$ seeds and dense networks, $n$ in brackets" in tex
    accuracy, _ = rows_of(tex)
    sizes = {row[0]: {cell.rpartition(" ")[2] for cell in row[1:]} for row in accuracy[1:]}
    assert sizes == {"lowest (layer)": {"(1)"}, "random (layer)": {"(2)"}, "highest (layer)": {"(2)"}}


def test_agreements_have_their_interval(make_grid):
    records = make_grid(seeds=(0, 1, 2, 3, 4), epochs=1)
    tex = to_tex(build(records))
    *_, taus = rows_of(tex)
    rows = [row for row in taus if row[0] == "AP2"]
    found = [a for a in comparisons_of(only_group(records)).agreements if a.measure.label == "AP2" and a.over == "all"]
    for row, target in zip(rows, ("test loss", "train loss"), strict=True):
        (final,) = (a for a in found if (a.target.words, a.moment) == (target, "final"))
        low, high = final.interval
        assert row[2] == rf"${final.tau:.2f}$ {{\scriptsize$[{low:.2f}, {high:.2f}]$}}"
    assert "5 dense networks" in tex


def test_an_interval_without_width_says_that_all_networks_agree(make_grid):
    records = [replace(r, value=r.pd.test.loss) for r in variant(make_grid(seeds=range(5), epochs=0), "ap2")]
    *_, taus = rows_of(to_tex(build(records)))
    row = next(row for row in taus if row[0] == "AP2")
    assert row[2] == r"$1.00$ {\scriptsize same in all 5}"


def test_two_models_have_labels_of_their_own(small):
    tex = to_tex(build([*small, *(replace(record, model="vgg16") for record in small)]))
    labels = re.findall(r"\\label\{(.*?)\}", tex)
    assert labels == [f"tab:apcli-{n}-{what}" for n in (1, 2) for what in ("accuracy", "agreement")]


def test_nothing_to_show_is_no_table(bare):
    tex = to_tex(build([replace(record, metrics=type(record.metrics)(None, None, None), pd=type(record.pd)(None, None))
                        for record in bare]))  # fmt: skip
    assert "\\begin" not in tex
