"""The page in a real browser: silent, offline, sortable, readable on any screen, on paper and without JavaScript."""

import csv
import io
import json
from dataclasses import replace

import browser as browsers
import pytest
from studies import described, improving, variant

from apcli.stages.report.runs.experiment import build
from apcli.stages.report.tables.csv_files import csv_files
from apcli.stages.report.writing import html

pytestmark = [pytest.mark.slow, pytest.mark.skipif(browsers.PROGRAM is None, reason=browsers.MISSING)]

AP2 = "AP2, squared distance"
OPEN_ALL = """
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  document.querySelectorAll(".further-too").forEach((box) => { box.checked = true; });
"""
# The contrast of all visible words with what is behind them (WCAG 2.2, 1.4.3), the least first.
CONTRASTS = """(() => {
  const channels = (color) => (color.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  function behind(element) {
    for (let outer = element; outer; outer = outer.parentElement) {
      const color = channels(getComputedStyle(outer).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor);
  }
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, title, desc")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(channels(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([ratio, walker.currentNode.data.trim().slice(0, 40), element.tagName]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""


@pytest.fixture(scope="module")
def browser():
    with browsers.browser() as started:
        yield started


@pytest.fixture(scope="module")
def written(make_grid, tmp_path_factory):
    """A page of two models, one of them with very long names, and its records. AP2 spans several powers of ten."""
    records = make_grid(seeds=(0, 1), epochs=2, sparsities=(0.1, 0.5))
    records = [replace(r, value=1000 * r.value) if r.dist == "ap2" else r for r in records]
    records += [replace(r, layer="conv1") for r in records if r.layer == "fc"]
    files = {(r.pruned.path, r.pruned.sha256): round(1000 * (1 - r.sparsity.requested)) for r in records}
    checkpoints = [described(*file, kept=kept) for file, kept in files.items()]
    long = "a-very-long-name-without-a-single-place-to-break-it-" * 3
    names = {"fc": long, "conv1": "conv1", "*": "*"}
    others = [replace(r, model=long, method=f"{r.method}{long}", layer=names[r.layer]) for r in records]
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html([*records, *others, *checkpoints]), encoding="utf-8")
    return path, [*records, *others]


@pytest.fixture
def shown(browser, written):
    browser.window(1300)
    browser.open(written[0])
    return browser


def place_of(browser, heading, table="study-1-divergence"):
    """The place of a column that is shown."""
    heads = f'[...document.querySelectorAll("#table-{table} .names th")]'
    shown = browser.run(f"{heads}.map((head) => head.checkVisibility() ? head.textContent.trim() : null)")
    return shown.index(heading)


def column(browser, heading, table="study-1-divergence"):
    """The words of a column of the rows that are shown."""
    place = place_of(browser, heading, table)
    rows = f'document.querySelectorAll("#table-{table} tbody tr:not([hidden])")'
    return browser.run(f"[...{rows}].map((row) => row.cells[{place}].textContent.replace(/[\\u2007\\u2008]/g, ''))")


def click_head(browser, heading, table="study-1-divergence"):
    """Sort by a column, and wait until it is sorted."""
    place = place_of(browser, heading, table)
    head = f'document.querySelectorAll("#table-{table} .names th")[{place}]'
    browser.run(f'{head}.querySelector("button").click()')
    browser.run("new Promise((done) => setTimeout(done, 100))")
    return browser.run(f'{head}.getAttribute("aria-sort")')


def downloaded(browser, folder, name):
    """The rows of the CSV file of a table, a figure or the records."""
    browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.run(f"document.querySelector('[data-numbers=\"{name}\"] button:last-of-type').click()")
    while browser.wait_for("Page.downloadProgress")["state"] != "completed":
        pass
    (path,) = folder.iterdir()
    assert path.name == f"{name}.csv"
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))


def alike(first, second):
    """Whether two cells say the same, as numbers where they are numbers."""
    try:
        return float(first) == float(second)
    except ValueError:
        return first == second


def test_the_page_is_silent_and_asks_for_nothing(shown, written):
    shown.run(OPEN_ALL)
    click_head(shown, AP2)
    shown.run("document.querySelectorAll('input[type=search]').forEach((f) => f.dispatchEvent(new Event('input')))")
    assert shown.told() == []
    assert shown.requested() == [written[0].resolve().as_uri()]


def test_columns_are_sorted_by_what_the_cells_mean(shown, written):
    report = build(written[1])
    runs = report.groups[0].runs
    before = column(shown, AP2)
    values = [run.final(report.groups[0].measures[0].key).mean for run in runs]
    names = [f"{run.method} {run.sparsity:g}" for run in runs]
    expected = [name for _, name in sorted(zip(values, names, strict=True))]

    def order():
        return [" ".join(pair) for pair in zip(column(shown, "method"), column(shown, "sparsity"), strict=True)]

    assert click_head(shown, AP2) == "ascending"
    assert order() == expected
    assert click_head(shown, AP2) == "descending"
    assert order() == expected[::-1]
    assert click_head(shown, AP2) is None
    assert column(shown, AP2) == before
    assert click_head(shown, "method") == "ascending"
    assert column(shown, "method") == sorted(run.method for run in runs)


def test_a_table_is_sorted_by_keyboard(shown):
    button = 'document.querySelector("#table-study-1-divergence .names button")'
    shown.run(f"{button}.focus()")
    for kind in ("keyDown", "keyUp"):
        shown.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    shown.run("new Promise((done) => setTimeout(done, 100))")
    assert shown.run(f'{button}.closest("th").getAttribute("aria-sort")') == "ascending"


def test_a_definition_is_reached_by_keyboard(shown):
    shown.run("document.querySelector('.card .terms a').focus()")
    name = shown.run("document.activeElement.textContent")
    for kind in ("keyDown", "keyUp"):
        shown.send("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    shown.run("new Promise((done) => setTimeout(done, 200))")
    assert shown.run("document.querySelector('.definitions dt:target').textContent") == name
    place = shown.run("document.querySelector(':target').getBoundingClientRect().top")
    assert 0 <= place < 900


def test_rows_are_filtered_by_all_words(shown):
    all_rows = len(column(shown, "method"))
    field = 'document.querySelector("#table-study-1-divergence input[type=search]")'
    shown.run(f"{field}.value = 'LOWEST 0.5'; {field}.dispatchEvent(new Event('input'))")
    assert column(shown, "method") == ["lowest (layer)"]
    told = f"{field}.nextElementSibling.textContent"
    assert shown.run(told) == f"1 of {all_rows} rows"
    shown.run(f"{field}.value = ''; {field}.dispatchEvent(new Event('input'))")
    assert (len(column(shown, "method")), shown.run(told)) == (all_rows, "")


def test_further_columns_are_shown_on_request(shown):
    visible = '[...document.querySelectorAll("#table-study-1-accuracy .names th")].map((th) => th.checkVisibility())'
    box = 'document.querySelector("#table-study-1-accuracy .further-too")'
    first = shown.run(visible)
    assert 1 < first.count(True) <= 9
    shown.run(f"{box}.click()")
    assert all(shown.run(visible))
    spans = "[...document.querySelectorAll('#table-study-1-accuracy thead tr')].map((tr) => [...tr.cells]"
    sums = shown.run(f"{spans}.reduce((sum, cell) => sum + cell.colSpan, 0))")
    assert len(set(sums)) == 1, "both rows of headings have a cell over every column"


def test_numbers_are_downloaded_in_full_precision(shown, written, tmp_path):
    rows = downloaded(shown, tmp_path, "study-1-divergence")
    group = build(written[1]).groups[0]
    found = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    assert found["method"] == tuple(run.method for run in group.runs)
    values = [run.final(group.measures[0].key) for run in group.runs]
    assert [float(cell) for cell in found["AP2, squared distance"]] == [value.mean for value in values]
    assert [float(cell) for cell in found["AP2, squared distance, sd"]] == pytest.approx([value.sd for value in values])


def test_records_are_downloaded_as_the_csv_format_has_them(shown, written, tmp_path):
    rows = downloaded(shown, tmp_path, "divergence-records")
    expected = list(csv.reader(io.StringIO(csv_files(build(written[1]))["csv"])))
    assert rows[0] == expected[0]
    assert len(rows) == len(expected) == len(written[1]) + 1
    assert all(alike(*pair) for row, other in zip(rows, expected, strict=True) for pair in zip(row, other, strict=True))


def test_figures_have_their_numbers(shown, tmp_path):
    name = shown.run("document.querySelector('figure').dataset.numbers")
    rows = downloaded(shown, tmp_path, name)
    assert len(rows) > 2
    assert all(len(row) == len(rows[0]) for row in rows)


@pytest.mark.parametrize("width", [390, 1300])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window(browser, written, width, dark):
    browser.window(width, dark=dark)
    browser.open(written[0])
    assert browser.run("document.documentElement.scrollWidth") == width
    browser.run(OPEN_ALL)
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("document.querySelector('tbody th').getBoundingClientRect().width") < 0.5 * width


def test_definitions_take_the_width_of_a_narrow_screen(browser, written):
    browser.window(390)
    browser.open(written[0])
    widths = "[...document.querySelectorAll('.definitions dd')].map((dd) => dd.getBoundingClientRect().width)"
    assert min(browser.run(widths)) > 300


@pytest.mark.parametrize("width", [390, 1300])
def test_the_overview_is_whole(browser, written, width):
    browser.window(width)
    browser.open(written[0])
    figure = "document.querySelector('figure[id$=overview]')"
    shown = f"[...{figure}.querySelectorAll('.scroll')].filter((e) => e.clientWidth)"
    assert browser.run(f"{shown}.length") == 1, "drawn for this screen"
    assert browser.run(f"{shown}[0].scrollWidth <= {shown}[0].clientWidth")


def test_no_column_is_cut(browser, make_grid, tmp_path):
    """What has no room in a window of 1300 is left to those who ask for all columns."""
    grid = make_grid(seeds=range(5), epochs=2, sparsities=(0.1, 0.5))
    kinds = ("activation", "gauss-newton", "fisher", "rows")
    records = [*grid, *(r for kind in kinds for r in variant(grid, "gaussian", params={"cov": kind}))]
    path = tmp_path / "report.html"
    path.write_text(html(improving(records)), encoding="utf-8")
    browser.window(1300)
    browser.open(path)
    browser.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    cut = "[...document.querySelectorAll('.table .scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert browser.run(f"{cut}.map((e) => e.parentElement.id)") == []
    browser.run(OPEN_ALL)
    assert browser.run(f"{cut}.length") > 0, "all columns are more than there is room for"


def test_the_first_column_stays(browser, written):
    browser.window(390)
    browser.open(written[0])
    head = "document.querySelector('#table-study-1-divergence tbody th').getBoundingClientRect().left"
    before = browser.run(head)
    browser.run("document.querySelector('#table-study-1-divergence .scroll').scrollLeft = 200")
    assert browser.run(head) == before


def test_decimal_points_stand_below_each_other(shown):
    ends = """[...document.querySelectorAll("#table-study-1-divergence tbody tr")].map((row) => {
      const text = row.cells[PLACE].firstChild, range = document.createRange();
      const point = text.data.search(/[.\u2008]/);
      range.setStart(text, point);
      range.setEnd(text, point + 1);
      return Math.round(range.getBoundingClientRect().left * 2) / 2;
    })"""
    (left,) = set(shown.run(ends.replace("PLACE", str(place_of(shown, AP2)))))
    assert left > 100
    assert len({len(text.partition(".")[2]) for text in column(shown, AP2)}) > 1, "of numbers of several lengths"


@pytest.mark.parametrize("dark", [False, True])
def test_words_stand_out_from_what_is_behind_them(browser, written, dark):
    browser.window(1300, dark=dark)
    browser.open(written[0])
    browser.run(OPEN_ALL)
    contrasts = browser.run(CONTRASTS)
    assert len(contrasts) > 500
    assert "text" in {tag for _, _, tag in contrasts}, "words in figures are text"
    assert [found for found in contrasts if found[0] < 4.5] == []
    light = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(255, 255, 255)") != dark


def test_paper_shows_what_is_folded(browser, written):
    browser.window(1300, dark=True, media="print")
    browser.open(written[0])
    tables = "[...document.querySelectorAll('details table')]"
    assert browser.run(f"{tables}.length") > 4
    assert browser.run(f"{tables}.every((table) => table.checkVisibility() && table.clientHeight > 20)")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.window(1300)
    assert browser.run(f"{tables}.some((table) => table.checkVisibility())") is False


def test_browsers_that_fold_on_paper_open_what_is_folded_first(shown):
    shown.run("dispatchEvent(new Event('beforeprint'))")
    assert shown.run("document.querySelectorAll('details:not([open])').length") == 0
    shown.run("dispatchEvent(new Event('afterprint'))")
    assert shown.run("document.querySelectorAll('details[open]').length") == 0


def test_without_javascript_everything_is_there(browser, written):
    browser.window(1300)
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(written[0])
        assert browser.run("document.querySelectorAll('button, input[type=search]').length") == 0
        assert browser.run("document.querySelectorAll('#table-study-1-divergence tbody tr').length") == 6
        assert browser.run("document.querySelectorAll('figure svg').length") > 4
        box = "document.querySelector('#table-study-1-accuracy .further-too')"
        further = "document.querySelector('#table-study-1-accuracy .further').checkVisibility()"
        assert browser.run(further) is False
        browser.run(f"{box}.scrollIntoView()")
        x, y = browser.run(f"(({{x, y}}) => [x + 4, y + 4])({box}.getBoundingClientRect())")
        for kind in ("mousePressed", "mouseReleased"):
            browser.send("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, x=x, y=y)
        assert browser.run(further) is True
        assert browser.told() == []
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_an_address_opens_what_it_names(shown):
    shown.run("location.hash = 'table-study-1-accuracy-values'")
    shown.run("new Promise((done) => setTimeout(done, 200))")
    assert shown.run("document.getElementById('table-study-1-accuracy-values').checkVisibility()")


def test_everything_has_a_name_for_who_does_not_see_it(shown):
    shown.run(OPEN_ALL)
    shown.send("Accessibility.enable")
    nodes = [n for n in shown.send("Accessibility.getFullAXTree")["nodes"] if not n.get("ignored")]
    shown.send("Accessibility.disable")
    roles = {}
    for node in nodes:
        roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("table", "image", "region", "button", "link", "navigation", "searchbox", "checkbox"):
        names = roles.get(role, [])
        assert names, role
        assert all(name.strip() for name in names), role
    assert len(set(roles["image"])) >= len(roles["image"]) / 2, "the figures of a study have names of their own"
    assert json.dumps(roles).count("↕") == 0, "signs are not read out"


@pytest.mark.long
def test_ten_thousand_records_make_a_page_that_is_not_large(browser, make_grid, tmp_path):
    """How fast it opens is measured by ``examples/benchmarks/report.py``."""
    sparsities = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    records = make_grid(seeds=tuple(range(6)), epochs=12, sparsities=sparsities)[:10_000]
    assert len(records) == 10_000
    path = tmp_path / "report.html"
    path.write_text(html(records), encoding="utf-8")
    assert path.stat().st_size <= 10e6
    browser.window(1300)
    browser.open(path)
    assert browser.told() == []
