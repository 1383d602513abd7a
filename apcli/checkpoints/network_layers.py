"""The weights of a network's layers, found from its modules and kept in the lineage (standard library only).

A file holds tensors; only the network knows which of them a layer multiplies its input by, and which names are one
parameter. The stage that builds the network writes this list; later stages read it without building anything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

LINEAR, CONVOLUTION, GROUPED = "linear", "convolution", "grouped convolution"
TRANSPOSED, GROUPED_TRANSPOSED = "transposed convolution", "grouped transposed convolution"
ATTENTION, RECURRENT, EMBEDDING = "attention", "recurrent", "embedding"
WEIGHT_NORM = "weight norm"
OWN = "own"  # a custom module's parameter, named and shaped like a weight
KINDS = (LINEAR, CONVOLUTION, GROUPED, TRANSPOSED, GROUPED_TRANSPOSED, ATTENTION, RECURRENT, EMBEDDING, OWN)


@dataclass(frozen=True)
class LayerWeight:
    """One parameter that a layer multiplies by.

    Attributes:
        tensor: its name in the network's state dict; of a parametrised weight, the tensor whose zeros are the weight's.
        kind: one of ``KINDS``.
        tied: the other names of the same parameter.
        through: the function that computes the weight from the tensor (``weight norm``); empty if it is the weight.
        refused: the reason why the tensor's zeros are not the weight's; empty if they are.
    """

    tensor: str
    kind: str
    tied: tuple[str, ...] = ()
    through: str = ""
    refused: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return (self.tensor, *self.tied)


@dataclass(frozen=True)
class NetworkLayers:
    """The weights of all layers of one network, in the order of its state dict within each kind."""

    weights: tuple[LayerWeight, ...]

    @cached_property
    def by_name(self) -> dict[str, LayerWeight]:
        """Each weight by each of its names."""
        return {name: weight for weight in self.weights for name in weight.names}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the lineage: names by kind, and the other attributes of the few weights that have them."""
        lists: dict[str, Any] = {
            "weights": _grouped((w.kind, w.tensor) for w in self.weights),
            "tied": {w.tensor: list(w.tied) for w in self.weights if w.tied},
            "through": _grouped((w.through, w.tensor) for w in self.weights if w.through),
            "refused": _grouped((w.refused, w.tensor) for w in self.weights if w.refused),
        }
        return {key: value for key, value in lists.items() if value or key == "weights"}

    @classmethod
    def from_json(cls, lists: object) -> "NetworkLayers":
        """Check and read the output of ``to_json`` from an untrusted file.

        Raises:
            ValueError: it has another form, or a name occurs twice.
        """
        if not isinstance(lists, dict) or not _is_valid(lists):
            raise ValueError(f"{lists!r:.60} is no list of layers' weights: expected an object with weights, ...")
        through, refused = (_text_of(lists.get(key, {})) for key in ("through", "refused"))
        tied = lists.get("tied", {})
        return cls(
            tuple(
                LayerWeight(name, kind, tuple(tied.get(name, ())), through.get(name, ""), refused.get(name, ""))
                for kind, names in lists["weights"].items()
                for name in names
            )
        )


def _is_valid(value: Mapping[str, Any]) -> bool:
    """Whether the object has the right form and every name occurs once."""
    if not isinstance(value.get("weights"), dict):
        return False
    groups = {key: value.get(key, {}) for key in ("weights", "tied", "through", "refused")}
    if not all(map(_is_lists, groups.values())):
        return False
    names, others, through, refused = (
        [name for group in lists.values() for name in group] for lists in groups.values()
    )
    known = set(names)
    once = len(known.union(others)) == len(names) + len(others)
    return once and known.issuperset([*groups["tied"], *through, *refused]) and set(KINDS).issuperset(groups["weights"])


def _is_lists(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in value.values()
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, name in pairs:
        groups.setdefault(key, []).append(name)
    return groups


def _text_of(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: text for text, names in groups.items() for name in names}
