"""Lists and counts in sentences."""

from apcli.words import count, few, join


def test_lists_read_as_sentences():
    assert [join([]), join(["a"]), join(["a", "b"]), join(["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_many_names_become_a_few_and_a_number():
    names = [f"layer{i}" for i in range(300)]
    assert few(names) == "layer0, layer1, layer2 and 297 others"
    assert few(names[:4]) == "layer0, layer1, layer2 and layer3"
    assert few(names, 2) == "layer0 and 299 others"


def test_nouns_stand_in_the_plural_where_they_should():
    assert [count(1, "run"), count(2, "run"), count(0, "study")] == ["1 run", "2 runs", "0 studies"]
