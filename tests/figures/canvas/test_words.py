"""The room of text."""

from apcli.figures.canvas.words import listed, shortened, width_of, wrapped


def test_a_name_that_is_too_wide_loses_its_middle():
    name = "resnet20-digits.seed0.l1-0.3-filter.finetuned.safetensors"
    short = shortened(name, 150)
    assert width_of(short) <= 150
    assert short[:6] == "resnet"
    assert short.endswith("tensors")
    assert "…" in short
    assert shortened("lowest", 150) == "lowest"


def test_a_name_of_any_length_is_shortened_at_once():
    """Letter by letter from its end, a name of a megabyte took hours."""
    assert shortened("a" * 1_000_000, 150) == f"{'a' * 9}…{'a' * 9}"
    assert shortened("i" * 1_000_000, 150) == f"{'i' * 15}…{'i' * 15}"
    assert wrapped("a" * 1_000_000, 150) == [shortened("a" * 1_000_000, 150)]


def test_lines_are_as_wide_as_they_may_be():
    lines = wrapped("AP3 student-t groups=100 cov=gauss-newton", 120)
    assert " ".join(lines) == "AP3 student-t groups=100 cov=gauss-newton"
    assert len(lines) > 1
    assert all(width_of(line) <= 120 for line in lines)
    assert width_of(wrapped("x" * 99, 120)[0]) <= 120


def test_a_wide_word_is_broken_behind_a_sign():
    lines = wrapped("AP3 gaussian cov=activation", 90)
    assert lines == ["AP3 gaussian", "cov=", "activation"]
    assert wrapped("student-t:groups=100", 90) == ["student-t:", "groups=100"]
    assert wrapped("cov=activation", 200) == ["cov=activation"]
    name = "/".join(["layer"] * 30)
    assert "".join(wrapped(name, 120)) == name, "nothing is lost"


def test_a_list_has_an_end():
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefgh"), 2) == "a, b and 6 more"
