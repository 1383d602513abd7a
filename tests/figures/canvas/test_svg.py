"""SVG: text is text, names cannot break out, and colours are a page's or a file's own."""

import re
from xml.etree import ElementTree

import pytest
from studies import drawn_study

from apcli.figures.by_epoch import by_method
from apcli.figures.canvas.colors import CONTROL_SHAPES, LIGHT, SHAPES
from apcli.figures.canvas.marks import Area, Dots, Drawing, Line, Words
from apcli.figures.canvas.svg import element, svg

SPACE = "{http://www.w3.org/2000/svg}"


def drawing(*marks, title="A title"):
    return Drawing(title, "What is drawn.", 100, 50, marks, {})


def test_a_file_is_xml_with_text_and_a_description():
    root = ElementTree.fromstring(svg(by_method(drawn_study(), 0.3)))
    texts = [text.text for text in root.iter(f"{SPACE}text")]
    assert {"AP2", "lowest", "epoch"} <= set(texts)
    by_id = {node.get("id"): node.text for node in root.iter() if node.get("id")}
    assert by_id[root.get("aria-labelledby")] == "Sparsity 0.3: every method"
    assert by_id[root.get("aria-describedby")].startswith("AP2, AP3 gaussian, PD, test loss over the epochs")
    assert root.get("width") == "660"
    assert "var(" not in svg(by_method(drawn_study(), 0.3))


def test_all_text_has_one_size():
    text = svg(by_method(drawn_study(), 0.3))
    assert re.findall(r"font-size[=:]\"?([\d.]+)", text) == ["12"]


def test_an_element_takes_the_colours_and_the_identifiers_of_its_page():
    text = element(by_method(drawn_study(), 0.3), "by-method.0.3")
    assert not re.search("#[0-9a-f]{6}", text)
    assert set(re.findall(r"var\(--([^)]+)\)", text)) <= set(LIGHT)
    assert set(re.findall(r'id="([^"]+)"', text)) == {"by-method.0.3-title", "by-method.0.3-words"}


@pytest.mark.parametrize("name", ["</title><script>alert(1)</script>", "a & b", "\x00\x1b[31m", "$x$", "'\""])
def test_names_are_text(name):
    text = svg(drawing(Words((0, 0), name), Line([(0, 0), (1, 1)], "ink", name=name), title=name))
    root = ElementTree.fromstring(text)
    shown = re.sub("[\x00\x1b]", "\ufffd", name)
    assert [node.text for node in root.iter(f"{SPACE}title")] == [shown, shown]
    assert [node.text for node in root.iter(f"{SPACE}text")] == [shown]
    assert not list(root.iter(f"{SPACE}script"))


@pytest.mark.parametrize("shape", [*SHAPES, *CONTROL_SHAPES])
def test_a_sign_has_its_size_around_its_place(shape):
    path = ElementTree.fromstring(svg(drawing(Dots([(50, 20)], "ink", shape, 10)))).find(f"{SPACE}path").get("d")
    assert path.startswith("M50 20m")
    steps = [tuple(map(float, step.split())) for step in re.findall(r"[ml](-?[\d.]+ -?[\d.]+)", path)]
    if shape != "o":
        xs = [sum(x for x, _ in steps[: end + 1]) for end in range(len(steps))]
        assert -16 < min(xs) < -8
        assert 8 < max(xs) < 16


def test_numbers_are_short():
    text = svg(drawing(Line([(1 / 3, 2.0), (-0.01, 1e-9)], "ink"), Area([(0, 0), (1, 0), (1, 1)], "ink", 0.5)))
    assert 'd="M0.3 2L0 0"' in text
    assert 'd="M0 0L1 0L1 1z" style="fill:#1b1f24;fill-opacity:0.5"' in text
