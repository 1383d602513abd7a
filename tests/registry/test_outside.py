"""Functions of a user's own file: how they are named and identified, and what every wrong one is told."""

from pathlib import Path

import pytest

from apcli.errors import ApcliError, UsageError
from apcli.registry import outside
from apcli.registry.tables import Call, Own, Row, Table

TABLE = Table(
    "method",
    (Row("plain", "math:hypot", "", ""),),
    Own({"layer": Call(("weight",)), "network": Call(("subject",), ("data",))}),
)
CODE = '''
import beside
def double(weight, *, times=2.0, word="a"):
    """Twice the weight.

    More.
    """
    return weight * times
def on_data(subject): return subject.model
on_data.needs = ("network", "data")
def by_division(weight): return weight / 0
def of_nothing(): return 1
def of_a_list(weight, *, sizes=()): return weight
def wrongly(weight): return weight
wrongly.needs = ("layer", "data")
def strangely(weight): return weight
strangely.needs = ("coffee",)
def refused(weight):
    from apcli.errors import UsageError
    raise UsageError("not so")
number = 3
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path / "mine.py"


def test_it_is_a_row_like_others(mine):
    choice = TABLE.parse(f"{mine}:double:times=3")
    assert choice(2) == 6
    assert choice.parameters == {"times": 3.0, "word": "a"}
    assert (choice.row.summary, choice.row.source, choice.row.needs) == ("Twice the weight.", str(mine), ("layer",))
    assert TABLE.parse(f"{mine}:on_data").row.needs == ("network", "data")
    assert [c.row.summary for c in TABLE.parse_list(f"plain,{mine}:double")] == ["", "Twice the weight."]


def test_it_is_identified_by_its_code_and_not_by_its_folder(mine, tmp_path):
    name = TABLE.parse(f"{mine}:double").name
    assert name == f"mine.py:double@{outside.sha256_of(mine)[:12]}"
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "mine.py"
    copy.write_text(CODE)
    assert TABLE.parse(f"{copy}:double").name == name
    copy.write_text(CODE + "\n# another\n")
    changed = TABLE.parse(f"{copy}:double:times=4")
    assert changed.name != name
    assert changed.spec == f"{changed.name}:times=4.0"
    assert changed.words == "mine-double-times=4.0"


def test_a_changed_file_is_imported_again(mine):
    assert TABLE.parse(f"{mine}:double")(1) == 2
    mine.write_text(CODE.replace("times=2.0", "times=5.0"))
    assert TABLE.parse(f"{mine}:double")(1) == 5


def test_a_file_is_imported_once(tmp_path):
    (tmp_path / "counted.py").write_text(
        "from pathlib import Path\nlog = Path(__file__).with_suffix('.log')\n"
        "log.write_text(log.read_text() + '.' if log.exists() else '.')\ndef f(weight): return weight\n"
    )
    for _ in range(3):
        TABLE.parse(f"{tmp_path}/counted.py:f")(1)
    assert (tmp_path / "counted.log").read_text() == "."


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("a.py:f", ("a.py", "f", "")),
        ("a.py:f:k=1:m=b.py", ("a.py", "f", ":k=1:m=b.py")),
        ("x:y/a.py:f:k=1", ("x:y/a.py", "f", ":k=1")),
        ("odd.py:dir/a.py:f", ("odd.py:dir/a.py", "f", "")),
        ("../a b.py:f", ("../a b.py", "f", "")),
    ],
)
def test_a_path_may_have_colons(tmp_path, monkeypatch, spec, place):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / place[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert outside.is_outside(spec)
    assert outside.place_of(spec, "method") == outside.Place(Path(place[0]), *place[1:])


@pytest.mark.parametrize("name", ["lowest", "timm:resnet18", "gaussian:cov=full:path=a.npy", "pyramid.pyc:f", ""])
def test_other_names_are_none(name):
    assert not outside.is_outside(name)


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (":absent", UsageError, "mine.py has no function 'absent'"),
        (":number", UsageError, "mine.py has no function 'number'"),
        ("", UsageError, "names no function of the file"),
        (":", UsageError, "names no function of the file"),
        (":double:size=3", UsageError, "has no parameter 'size'"),
        (":double:times=many", UsageError, "times is 'many': expected a number"),
        (":of_nothing", UsageError, "of_nothing(): expected (weight), then keywords after a * if any"),
        (":of_a_list", UsageError, "expected a number or a word as the default of sizes"),
        (":wrongly", UsageError, "wrongly.needs is layer, data: expected layer; or network, data"),
        (":strangely", UsageError, "strangely.needs is coffee"),
    ],
)
def test_what_is_no_such_function_is_one_line(mine, function, error, words):
    with pytest.raises(error) as caught:
        TABLE.parse(f"{mine}{function}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_the_code_raises_names_its_line(mine, tmp_path):
    with pytest.raises(ApcliError, match=r"mine\.py:11: ZeroDivisionError: division by zero"):
        TABLE.parse(f"{mine}:by_division")(1)
    with pytest.raises(UsageError, match=r"^not so$"):
        TABLE.parse(f"{mine}:refused")(1)
    broken = tmp_path / "broken.py"
    broken.write_text("\ndef f(:\n")
    with pytest.raises(ApcliError, match=r"broken\.py:2: SyntaxError"):
        TABLE.parse(f"{broken}:f")
    with pytest.raises(UsageError, match=r"nowhere\.py: no such file; a method of your own is given as path/to/file"):
        TABLE.parse(f"{tmp_path}/nowhere.py:f")


@pytest.mark.parametrize("error", ["OutOfMemoryError", "MemoryError", 'RuntimeError("can\'t allocate memory")'])
def test_memory_that_runs_out_is_not_the_codes_mistake(tmp_path, error):
    file = tmp_path / "large.py"
    file.write_text(f"class OutOfMemoryError(RuntimeError): pass\ndef f(weight): raise {error}\n")
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        TABLE.parse(f"{file}:f")(1)
    assert not isinstance(caught.value, ApcliError)


def test_a_table_that_takes_none_says_what_it_knows(mine):
    with pytest.raises(UsageError, match="unknown optimiser"):
        Table("optimiser", (Row("sgd", "math:hypot", "", ""),)).parse(f"{mine}:double")


def test_a_records_name_is_shown_and_never_imported(mine):
    assert TABLE.spec_of(f"{mine}:double", {"times": 3.0}) == f"{mine}:double:times=3.0"
    with pytest.raises(UsageError, match="unknown method"):
        TABLE.row(f"{mine}:double")
