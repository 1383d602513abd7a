"""The weights of a network's layers, as its modules tell them: a value that a lineage keeps (standard library only).

A file holds tensors; which of them a layer multiplies its input by, and which names are one parameter, only the
network knows. Whoever builds it writes this list, and later stages read it and build nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

LINEAR, CONVOLUTION, GROUPED = "linear", "convolution", "grouped convolution"
ATTENTION, RECURRENT, EMBEDDING = "attention", "recurrent", "embedding"
WEIGHT_NORM = "weight norm"
OWN = "own"  # of a module that no library knows: its parameter is called and shaped like a weight
KINDS = (LINEAR, CONVOLUTION, GROUPED, ATTENTION, RECURRENT, EMBEDDING, OWN)


@dataclass(frozen=True)
class LayerWeight:
    """One parameter that a layer multiplies by.

    Attributes:
        tensor: its name in the network's state dict; of a parametrised weight the tensor whose zeros are the weight's.
        kind: one of ``KINDS``.
        tied: the other names of the same parameter.
        through: what makes the weight of the tensor (``weight norm``); empty where the tensor is the weight.
        refused: why no zero of a tensor is a zero of the weight; empty where it is.
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
        """Each weight under each of its names."""
        return {name: weight for weight in self.weights for name in weight.names}

    def to_json(self) -> dict[str, Any]:
        """For the lineage: names by kind, and of the few that have something to say about them, what."""
        found: dict[str, Any] = {
            "weights": _grouped((w.kind, w.tensor) for w in self.weights),
            "tied": {w.tensor: list(w.tied) for w in self.weights if w.tied},
            "through": _grouped((w.through, w.tensor) for w in self.weights if w.through),
            "refused": _grouped((w.refused, w.tensor) for w in self.weights if w.refused),
        }
        return {key: value for key, value in found.items() if value or key == "weights"}

    @classmethod
    def from_json(cls, found: Any) -> "NetworkLayers":
        """Read what ``to_json`` wrote, from a file that anyone may have made.

        Raises:
            ValueError: it is no such object, or a name stands in two places.
        """
        if not _is_valid(found):
            raise ValueError(f"{found!r:.60} is no list of layers' weights: expected an object with weights, ...")
        through, refused = (_text_of(found.get(key, {})) for key in ("through", "refused"))
        tied = found.get("tied", {})
        return cls(
            tuple(
                LayerWeight(name, kind, tuple(tied.get(name, ())), through.get(name, ""), refused.get(name, ""))
                for kind, names in found["weights"].items()
                for name in names
            )
        )


def _is_valid(value: Any) -> bool:
    """Whether every name stands in one place."""
    if not isinstance(value, dict) or not isinstance(value.get("weights"), dict):
        return False
    groups = {key: value.get(key, {}) for key in ("weights", "tied", "through", "refused")}
    if not all(map(_is_lists, groups.values())):
        return False
    names, others, *told = ([name for group in found.values() for name in group] for found in groups.values())
    known = set(names)
    once = len(known.union(others)) == len(names) + len(others)
    return once and known.issuperset([*groups["tied"], *told[0], *told[1]]) and set(KINDS).issuperset(groups["weights"])


def _is_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in value.values()
    )


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, name in pairs:
        found.setdefault(key, []).append(name)
    return found


def _text_of(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: text for text, names in groups.items() for name in names}
