"""Lists and counts in sentences."""

from apcli.words import by, count, difference, few, in_one_line, join, told_apart


def test_lists_read_as_sentences():
    assert [join([]), join(["a"]), join(["a", "b"]), join(["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_many_names_become_a_few_and_a_number():
    names = [f"layer{i}" for i in range(300)]
    assert few(names) == "layer0, layer1, layer2 and 297 others"
    assert few(names[:4]) == "layer0, layer1, layer2 and layer3"
    assert few(names, 2) == "layer0 and 299 others"
    assert few(names, others="further layers") == "layer0, layer1, layer2 and 297 further layers"


def test_words_are_as_short_as_tells_things_apart():
    assert told_apart([]) == []
    assert told_apart([["a", "a1"], ["b", "b1"]]) == ["a", "b"]
    assert told_apart([["a", "a1", "a11"], ["a", "a2"], ["b", "b1"]]) == ["a1", "a2", "b"]
    assert told_apart([["a", "a1", "a11"], ["a", "a1", "a12"], ["a"]]) == ["a11", "a12", "a"]
    assert told_apart([["a"], ["a"]]) == ["a", "a"], "they are one"


def test_nouns_stand_in_the_plural_where_they_should():
    assert [count(1, "run"), count(2, "run"), count(0, "study")] == ["1 run", "2 runs", "0 studies"]


def test_the_first_difference_is_said_from_old_to_new():
    old = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": "x"}
    assert difference(old, {"e": "x", "b": {"c": [1, 2]}, "z": None}) == ""  # it may know more, and null is absent
    assert difference(old, {"b": {"d": 0, "c": [2]}, "a": 2}) == "b d none → 0"
    assert difference(old, {"b": {"c": [2]}}) == "b c [1, 2] → [2]"
    assert difference(old, {"a": {"b": 1}, "e": "y"}) == 'a 1 → {"b": 1}'
    assert difference(old, {**old, "z": None}, exactly=True) == "z not recorded → none"
    assert difference(old, {"a": 1, "b": old["b"]}, exactly=True) == "e x → not recorded"
    assert difference({"a": "x"}, {"a": "y" * 50}) == f"a x → {'y' * 39}…"


def test_a_name_stays_in_its_line():
    assert in_one_line("größe\n\x1b[2J\u202e") == r"größe\n\x1b[2J\u202e"


def test_a_shape_is_written_by_its_extents():
    assert (by((64, 3, 7)), by([5]), by(())) == ("64x3x7", "5", "")
