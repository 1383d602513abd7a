"""JSON objects of dataclasses: written, read, refused, spread over columns and documented, all by their fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

import pytest

from apcli.errors import ApcliError
from apcli.records import KINDS
from apcli.records.divergence import DivergenceRecord
from apcli.records.json_objects import Columns, JsonObject, Record, columns_of, documented, fields_of, listed_in


@dataclass(frozen=True)
class Place(JsonObject):
    x: Annotated[float, "to the right"]
    label: Annotated[str | None, "its name"] = None


@dataclass(frozen=True)
class Walk(Record):
    kind: ClassVar[str] = "walk"
    version: ClassVar[int] = 3
    start: Annotated[Place, "where it begins", Columns("from_")]
    steps: Annotated[int, "how many"]
    end: Annotated[Place | None, "where it ends"] = None
    words: Annotated[Mapping[str, Any], "about it"] = field(default_factory=dict)


WALK = Walk(Place(1.5, "home"), 7, None, {"by": "foot", "in": "rain"})
OBJECT = {
    **{"kind": "walk", "version": 3, "start": {"x": 1.5, "label": "home"}, "steps": 7},
    **{"end": None, "words": {"by": "foot", "in": "rain"}},
}


def test_fields_are_written_in_their_order_and_read_back():
    assert WALK.to_json() == OBJECT
    assert list(WALK.to_json()) == ["kind", "version", "start", "steps", "end", "words"]
    assert Walk.from_json(OBJECT) == WALK


def test_what_is_absent_or_null_has_its_default_and_what_is_unknown_is_left_out():
    assert Walk.from_json({"start": {"x": 1}, "steps": 2, "weather": "fine"}) == Walk(Place(1), 2)
    assert Walk.from_json({"start": {"x": 1, "label": None}, "steps": 2, "words": None}) == Walk(Place(1), 2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": None}, "the walk has steps None: expected a whole number"),
        ({"steps": 1.5}, "the walk has steps 1.5: expected a whole number"),
        ({"steps": True}, "the walk has steps True: expected a whole number"),
        ({"start": None}, "the walk has start None: expected an object"),
        ({"start": {"x": "far"}}, "the walk has start.x 'far': expected a number"),
        ({"end": {"x": 1, "label": 2}}, "the walk has end.label 2: expected text or null"),
        ({"end": 3}, "the walk has end 3: expected an object or null"),
    ],
)
def test_a_member_of_another_type_is_named_with_the_way_to_it(change, words):
    with pytest.raises(ApcliError) as caught:
        Walk.from_json({**OBJECT, **change}, "the walk")
    assert str(caught.value) == words


def test_objects_are_spread_over_columns_and_mappings_are_text():
    assert columns_of(WALK) == {
        **{"from_x": 1.5, "from_label": "home", "steps": 7, "end_x": None, "end_label": None},
        "words": "by=foot in=rain",
    }


def test_the_documentation_has_names_types_and_meanings():
    assert list(documented(Walk)) == [
        ("kind", "text", "always `walk`"),
        ("version", "a whole number", "of the format: 3"),
        ("start", "an object", "where it begins: `x` (to the right), `label` (its name)"),
        ("steps", "a whole number", "how many"),
        ("end", "an object or null", "where it ends: `x` (to the right), `label` (its name)"),
        ("words", "an object or null", "about it"),
    ]
    assert [found.nested for found in fields_of(Walk)] == [Place, None, Place, None]


@pytest.mark.parametrize("row", list(KINDS), ids=lambda row: row.name)
def test_every_field_of_every_kind_is_documented(row):
    kind = row.load()
    assert issubclass(kind, Record)
    assert kind.kind == row.name
    listed = list(documented(kind))
    assert [name for name, *_ in listed] == ["kind", "version", *(field.name for field in fields(kind))]
    assert all(cell for line in listed for cell in line)


def test_the_members_of_an_object_are_a_part_of_its_meaning():
    words = {name: meaning for name, _, meaning in documented(DivergenceRecord)}
    assert "`requested` (as asked for" in words["sparsity"]
    assert words["metrics"].endswith("`accuracy` (top-1, percent), `top5` (percent)")


@dataclass(frozen=True)
class Visit(JsonObject):
    guest: Annotated[str | None, "null: nobody came"]


def test_what_may_be_null_is_read_back_as_null():
    assert Visit.from_json(Visit(None).to_json()) == Visit.from_json({}) == Visit(None)


@dataclass(frozen=True)
class Tour(JsonObject):
    heights: Annotated[tuple[float, ...], "of the stops"]
    stops: Annotated[tuple[Place, ...], "in their order"] = ()
    circular: Annotated[bool, "whether it ends where it began"] = False


def test_objects_of_lists_are_documented_apart():
    assert list(documented(Tour)) == [
        ("heights", "a list", "of the stops"),
        ("stops", "a list of objects or null", "in their order"),
        ("circular", "true or false or null", "whether it ends where it began"),
    ]
    assert list(listed_in(Tour)) == [("stops", Place)]


def test_lists_of_values_and_of_objects_are_written_and_read_back():
    tour = Tour((1.0, 2.5), (Place(1.0, "a"), Place(2.0)), True)
    assert tour.to_json() == {
        "heights": [1.0, 2.5],
        "stops": [{"x": 1.0, "label": "a"}, {"x": 2.0, "label": None}],
        "circular": True,
    }
    assert Tour.from_json(tour.to_json()) == tour


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"heights": 3}, "the tour has heights 3: expected a list"),
        ({"heights": [1, "high"]}, "the tour has heights [1, 'high']: expected a list"),
        ({"stops": [{"x": 1}, {"x": None}]}, "the tour has stops.1.x None: expected a number"),
        ({"circular": 1}, "the tour has circular 1: expected true or false or null"),
    ],
)
def test_a_wrong_member_of_a_list_is_named(change, words):
    with pytest.raises(ApcliError) as caught:
        Tour.from_json({"heights": [1], **change}, "the tour")
    assert str(caught.value) == words
