"""The layers of a checkpoint: which tensors are layers, which of them an option selects, and why others are not.

The list of layers in the lineage (``network_layers``), or the network if it was built, decides; otherwise the names,
shapes and types in the file do (``tensor_names``).
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.network_layers import EMBEDDING, OWN, NetworkLayers
from apcli.checkpoints.tensor_names import Judgement, Verdict, judge, remedy_of
from apcli.errors import UsageError, VerificationError
from apcli.registry.tables import split_list
from apcli.words import count, few, join

_SHOWN = 10  # most layers that a message lists to choose from
_OWN = re.compile(r"(^|\.)(?:parametrizations\.weight\.original\d?|weight_orig|weight_v|weight)$")
_NOT_USED = "parameters that no layer multiplies by"
SECOND_NAME = "other names of tied weights"


@dataclass(frozen=True)
class Layer:
    """A prunable weight: ``name`` for users (``fc``), ``tensor`` as in the file (``fc.weight``).

    ``tied`` are the file's other names of the same parameter; ``kind`` and ``through`` are those of
    ``apcli.checkpoints.network_layers``.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    kind: str = OWN
    tied: tuple[str, ...] = ()
    through: str = ""

    @property
    def size(self) -> int:
        size = 1
        for extent in self.shape:
            size *= extent
        return size

    @property
    def tensors(self) -> tuple[str, ...]:
        """All names of the parameter in the file."""
        return (self.tensor, *self.tied)

    @property
    def names(self) -> tuple[str, ...]:
        """All names that a user may give."""
        return tuple(dict.fromkeys(name for tensor in self.tensors for name in (layer_name(tensor), tensor)))


@dataclass(frozen=True)
class Census:
    """The role of each tensor of a checkpoint.

    Attributes:
        layers: the layers that ``all`` selects, in the file's order.
        on_request: layers selected only by their own names: embeddings, and tensors that the name rule left alone.
        left: the reason why a tensor is no layer, by name, for all tensors of two or more dimensions.
        refused: the same for tensors from which a weight is computed and whose zeros are not the weight's.
        by_network: whether the network's modules decided instead of names.
    """

    layers: tuple[Layer, ...]
    on_request: tuple[Layer, ...]
    left: Mapping[str, str]
    refused: Mapping[str, str]
    by_network: bool


def layer_name(tensor: str) -> str:
    return _OWN.sub("", tensor) or tensor


def census(checkpoint: Checkpoint) -> Census:
    """Classify every tensor of the checkpoint by its lineage's list of layers, otherwise by names and shapes."""
    shapes = {name: (entry.dtype, entry.shape) for name, entry in checkpoint.entries.items()}
    if checkpoint.network_layers is not None:
        return _by_network(checkpoint, checkpoint.network_layers, lambda: judge(shapes))
    layers: list[Layer] = []
    on_request: list[Layer] = []
    left, refused = {}, {}
    for name, verdict in judge(shapes).items():
        entry = checkpoint.entries[name]
        kind = EMBEDDING if verdict.judgement is Judgement.EMBEDDING else OWN
        layer = Layer(layer_name(name), name, entry.shape, kind)
        if verdict.judgement is Judgement.REFUSED:
            refused[name] = verdict.reason
        elif verdict.judgement is Judgement.LAYER and entry.size:
            layers.append(layer)
        elif len(entry.shape) > 1 and entry.size:
            left[name] = verdict.reason
            if entry.is_float:
                on_request.append(layer)
    return Census(tuple(layers), tuple(on_request), left, refused, by_network=False)


def _by_network(checkpoint: Checkpoint, known: NetworkLayers, verdicts: Callable[[], Mapping[str, Verdict]]) -> Census:
    """Classify tensors by the network's layers; ``verdicts`` gives reasons by name for tensors that they do not use."""
    layers: list[Layer] = []
    on_request: list[Layer] = []
    left, refused = {}, {}
    for name, entry in checkpoint.entries.items():
        weight = known.by_name.get(name)
        if weight is None or not entry.is_float or not entry.size:
            if len(entry.shape) > 1 and entry.size:
                left[name] = _NOT_USED
        elif weight.refused:
            refused[name] = weight.refused
        else:
            own, *tied = (other for other in weight.names if other in checkpoint.entries)
            if name != own:
                left[name] = SECOND_NAME
                continue
            layer = Layer(layer_name(own), own, entry.shape, weight.kind, tuple(tied), weight.through)
            (on_request if weight.kind == EMBEDDING else layers).append(layer)
            if weight.kind == EMBEDDING:
                left[own] = "embeddings"
    if _NOT_USED in left.values():
        by_name = verdicts()
        left = {name: by_name[name].reason or why if why == _NOT_USED else why for name, why in left.items()}
    return Census(tuple(layers), tuple(on_request), left, refused, by_network=True)


def prunable(checkpoint: Checkpoint) -> list[Layer]:
    """The layers that ``all`` selects, in the file's order."""
    return list(census(checkpoint).layers)


def every_layer(checkpoint: Checkpoint) -> list[Layer]:
    """The layers that ``all`` selects, and those selected only by name."""
    known = census(checkpoint)
    return [*known.layers, *known.on_request]


def select(checkpoint: Checkpoint, include: str, exclude: str | None = None, option: str = "--layers") -> list[Layer]:
    """The layers that ``--layers`` and ``--exclude`` select: comma lists of ``all``, ``last``, names and globs.

    Raises:
        UsageError: a pattern matches no prunable layer, no layer remains, the last layer is unknown, or a selected
            tensor's zeros would not be the weight's.
    """
    known = census(checkpoint)
    chosen, refused = _matching(checkpoint, known, include, option)
    if exclude is not None:
        unwanted, allowed = _matching(checkpoint, known, exclude, "--exclude")
        chosen, refused = chosen - unwanted, refused - allowed
    if refused:
        raise _refusal(checkpoint, known, refused)
    if not chosen:
        if exclude is not None:
            raise UsageError(f"--exclude {exclude} leaves no layer of {option} {include}: expected at least one")
        raise UsageError(
            f"{checkpoint.label} has no prunable layer: expected a floating-point weight of 2 or more dimensions"
            + (f"; left alone: {summary(known.left)}" if known.left else "")
            + ("; select those that are layers by --layers NAME" if known.on_request else "")
        )
    by_tensor = {layer.tensor: layer for layer in chosen}
    return [by_tensor[name] for name in checkpoint.entries if name in by_tensor]


def last_is_missing(checkpoint: Checkpoint, *patterns: str | None) -> bool:
    """Whether a selection names ``last``, and only the network that the lineage names can tell which layer that is."""
    known = checkpoint.lineage
    asked = any("last" in split_list(each, "layer") for each in patterns if each is not None)
    return asked and known.model is not None and known.last_layer is None


def _matching(checkpoint: Checkpoint, known: Census, patterns: str, option: str) -> tuple[set[Layer], set[str]]:
    """The layers and the refused tensors that the patterns match."""
    chosen: set[Layer] = set()
    refused: set[str] = set()
    for pattern in split_list(patterns, "layer"):
        if pattern == "all":
            chosen |= set(known.layers)
            refused |= set(known.refused)
            continue
        if pattern == "last":
            chosen.add(_last(checkpoint, known, option))
            continue
        layers = [layer for layer in known.layers if _matches(layer.names, pattern)]
        layers = layers or [layer for layer in known.on_request if _matches(layer.names, pattern)]
        parts = {name for name in known.refused if _matches((name, layer_name(name)), pattern)}
        if not layers and not parts:
            raise UsageError(_no_such_layer(checkpoint, known, pattern, option))
        chosen |= set(layers)
        refused |= parts
    return chosen, refused


def _matches(names: Iterable[str], pattern: str) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names)


def _no_such_layer(checkpoint: Checkpoint, known: Census, pattern: str, option: str) -> str:
    left = next((name for name in known.left if _matches((name, layer_name(name)), pattern)), None)
    why = "" if left is None else f" ({left} is one of its {known.left[left]})"
    return f"{option} {pattern}: no such layer in {checkpoint.label}{why}: it has {listing(known.layers)}"


def _refusal(checkpoint: Checkpoint, known: Census, refused: set[str]) -> UsageError:
    names = [name for name in known.refused if name in refused]
    reason = known.refused[names[0]]
    if known.by_network:
        problem = f"the weight is {reason}, so zeros of the stored tensors are not zeros of the weight"
        advice = f"leave it out with --exclude {','.join(dict.fromkeys(layer_name(name) for name in names))}"
        return UsageError(f"{checkpoint.label}: {layer_name(names[0])} cannot be pruned: {problem}: {advice}")
    others = f"; or select others with --layers: {listing(known.layers)}" if known.layers else ""
    return UsageError(
        f"{checkpoint.label} has {reason} ({few(names)}), whose zeros are not zeros of the weights that the network "
        f"uses: {remedy_of(reason)}{others}"
    )


def _last(checkpoint: Checkpoint, known: Census, option: str) -> Layer:
    """The last layer according to the lineage: the order in which tensors are used is not in the file."""
    for layer in known.layers:
        if checkpoint.lineage.last_layer in layer.tensors:
            return layer
    if len(known.layers) == 1:
        return known.layers[0]
    raise UsageError(
        f"{option} last: {checkpoint.label} does not say which layer is last: name one of {listing(known.layers)}, or "
        "give prune the network's --model"
    )


def check_tied(checkpoint: Checkpoint, layers: Iterable[Layer]) -> None:
    """Check that a parameter with several names has the same zeros under each, as in the network.

    Raises:
        VerificationError: its zeros differ.
    """
    for layer in layers:
        own = checkpoint.entries[layer.tensor]
        for name in layer.tied:
            if not own.has_zeros_of(checkpoint.entries[name]):
                raise VerificationError(
                    f"{checkpoint.label}: {layer.tensor} and {name} are one parameter of the network, but their zeros "
                    "differ in the file, and the network can hold only one of them: prune its dense file again, with "
                    "--model NAME if it does not say which network it is"
                )


def listing(layers: Iterable[Layer]) -> str:
    return few([layer.name for layer in layers], _SHOWN)


def layers_sentence(checkpoint: Checkpoint) -> str:
    """Count the layers and the other tensors of two or more dimensions; name layers that only a built network shows.

    Empty if all such tensors are layers, with and without the network.
    """
    known = census(checkpoint)
    parts = [count(len(known.layers), "layer")]
    if known.left:
        left = count(len(known.left), "tensor")
        parts.append(f"{left} of two or more dimensions left alone: {summary(known.left)}")
    if checkpoint.built_layers is not None:
        before = {layer.tensor for layer in census(replace(checkpoint, built_layers=None)).layers}
        missed = [layer.name for layer in known.layers if before.isdisjoint(layer.tensors)]
        added = [layer_name(name) for name in sorted(before - {layer.tensor for layer in known.layers})]
        differs = [f"take {few(added)} too"] if added else []
        differs += [f"leave {few(missed)} out"] if missed else []
        parts += [f"without --model, apcli would {join(differs)}"] if differs else []
    return f"{checkpoint.label}: {'; '.join(parts)}" if len(parts) > 1 else ""


def summary(left: Mapping[str, str]) -> str:
    """Count the tensors left alone by reason, the most frequent first: ``position tables (12) and norms (3)``."""
    return join([f"{reason} ({number})" for reason, number in Counter(left.values()).most_common()])
