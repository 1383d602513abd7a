"""Expand a command line into one request per result, and refuse combinations of options that make no sense."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Sparsity
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import last_is_missing
from apcli.configs.prune import EACH, PruneConfig
from apcli.configs.values import option_of
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row, Table, split_list
from apcli.stages.outputs import Outputs


@dataclass(frozen=True)
class Compression:
    """The model's parameters divided by the kept ones."""

    ratio: float


@dataclass(frozen=True)
class Pattern:
    """Keep ``n`` of every ``m`` consecutive inputs."""

    n: int
    m: int


@dataclass(frozen=True)
class ByLayer:
    """The shares of ``--layer-sparsity``; other layers are not pruned."""


@dataclass(frozen=True)
class ZerosOf:
    """The zeros of another file, at the same places or as many; ``name`` is the file's name as given."""

    name: str


Amount = Sparsity | Compression | Pattern | ByLayer | ZerosOf

# Why allocations with this need cannot share out channels.
_OF_WEIGHTS = {
    "rows": "it spreads zeros over the inputs of each output unit",
    "extents": "it goes by the extents of one weight, and a group of channels lies in several",
    "ends": "it needs a first and a last layer, and several layers make a group of channels",
}

MASK = Choice(Row("mask", "", "removes the weights that are zero in another file", "", ("mask",)), {})


@dataclass(frozen=True)
class Request:
    """One of a command line's results.

    Attributes:
        scope: as given.
        word: the scope in the file's name; empty where the command has no other.
        seed: None for a method without random draws.
    """

    method: Choice[Row]
    scope: str
    word: str
    amount: Amount
    seed: int | None

    def needs(self, what: str) -> bool:
        """Whether the method needs ``network``, ``data``, ``seed``, ..."""
        return what in self.method.row.needs


def check(config: PruneConfig, outputs: Outputs) -> None:
    """Refuse a wrong request before anything is read.

    Raises:
        UsageError: an unknown method or scope, options that do not go together, or one output file for several results.
    """
    requests = list(requests_of(config, 0))
    outputs.expect(len(requests) if config.layers != EACH else 2)  # or more, by the checkpoint's layers
    if config.seeds and not any(request.needs("seed") for request in requests):
        what = ", ".join(dict.fromkeys(r.method.spec if r.method != MASK else "--mask-from" for r in requests))
        raise UsageError(f"--seed or --seeds is given but {what} draws nothing: leave it out, or add random")
    for request in requests:
        _check_scope(request, config)
        _check(request, config)
    _check_unused(config)


def needs_network(config: PruneConfig, source: Checkpoint | None = None) -> bool:
    """Whether the network must be built, at least for ``source``: to run it, or to list its layers."""
    return config.model is not None or runs_network(config) or (source is not None and _needs_last(config, source))


def _needs_last(config: PruneConfig, source: Checkpoint) -> bool:
    """Whether an option or a scope needs the last layer, and only the network can tell which it is."""
    by_scope = any("ends" in SCOPES.parse(request.scope).row.needs for request in requests_of(config, 0))
    patterns = [config.layers, config.exclude, *(pattern for pattern, _ in config.layer_sparsity)]
    return last_is_missing(source, *patterns, "last" if by_scope else None)


def runs_network(config: PruneConfig) -> bool:
    """Whether weights or channels are chosen by means of the network."""
    return config.is_filter or any(request.needs("network") for request in requests_of(config, 0))


def needs_data(config: PruneConfig) -> bool:
    """Whether a method needs images."""
    return any(request.needs("data") for request in requests_of(config, 0))


def requests_of(config: PruneConfig, own_seed: int) -> Iterator[Request]:
    """Yield every combination of method, scope, amount and seed; a method without random draws has no seed."""
    for (method, scope, word), amount in product(_methods_of(config), _amounts_of(config)):
        draws = "seed" in method.row.needs
        for seed in (config.seeds or (own_seed,)) if draws else (None,):
            yield Request(method, scope, word, amount, seed)


def _methods_of(config: PruneConfig) -> Iterator[tuple[Choice[Row], str, str]]:
    """Each method with each of its scopes, as given, and the word for it in a file's name.

    A method's own scope, ``method:scope=global``, stands for those of ``--scope``. The default has no word, and neither
    has a command's only scope.
    """
    scopes = split_list(config.scope, "scope")
    table = FILTER_METHODS if config.is_filter else METHODS
    default = "l1" if config.is_filter else "random-same-layers" if config.like else "lowest"
    for spec in [""] if config.mask_from else split_list(config.method or default, table.kind):
        method, own = (MASK, None) if config.mask_from else _with_scope(table, spec)
        for scope in scopes if own is None else [own]:
            words = SCOPES.parse(scope).words
            told = (own is not None or len(scopes) > 1) and words != PruneConfig.scope
            yield method, scope, words if told else ""


def _with_scope(table: Table[Row], spec: str) -> tuple[Choice[Row], str | None]:
    """A method, and the scope that its spec names; None if it names none, or the method has such a parameter itself."""
    name, *pairs = spec.split(":")
    own = [pair.removeprefix("scope=") for pair in pairs if pair.startswith("scope=")]
    method = table.parse(":".join([name, *(pair for pair in pairs if not pair.startswith("scope="))]))
    if "scope" in method.parameters:
        return table.parse(spec), None
    return method, own[-1] if own else None


def _amounts_of(config: PruneConfig) -> list[Amount]:
    if config.pattern:
        return [Pattern(*config.pattern)]
    if others := config.like or config.mask_from:
        return [ZerosOf(name) for name in split_list(others, "file")]
    amounts: list[Amount] = [*map(Sparsity, config.sparsity), *map(Compression, config.compression)]
    return amounts or [ByLayer()]


def _check_scope(request: Request, config: PruneConfig) -> None:
    """Raise UsageError if there is nothing for a scope to share, or it works on single weights and channels go."""
    scope, method = SCOPES.parse(request.scope), request.method.name
    if config.fixed and request.scope != PruneConfig.scope:
        raise UsageError(f"{config.fixed} what each layer loses: leave {method}:scope={request.scope} out")
    why = next((why for need, why in _OF_WEIGHTS.items() if need in scope.row.needs), "")
    if config.is_filter and why:
        known = " or ".join(row.name for row in SCOPES if not _OF_WEIGHTS.keys() & {*row.needs})
        raise UsageError(f"--scope {scope.name} with --structure filter: {why}: expected {known}")


def _check_unused(config: PruneConfig) -> None:
    """Raise UsageError if an option is given that would have no effect."""
    needed = {"network": runs_network(config), "images": needs_data(config), "model": needs_network(config)}
    about = {"device": "network", "split": "images", "images": "images", "batch_size": "images"}
    given = {option_of(key): what for key, what in about.items() if getattr(config, key) != getattr(PruneConfig, key)}
    given |= dict.fromkeys(config.data.options, "network") | dict.fromkeys(config.inputs.options, "model")
    for option, what in given.items():
        if not needed[what]:
            raise UsageError(f"{option} is given, but {config.method or 'this'} needs no {what}: leave it out")


def _check(request: Request, config: PruneConfig) -> None:
    """Raise UsageError if a method does not go with the other options."""
    method = request.method
    if method == MASK:
        return
    needs, scope = method.row.needs, SCOPES.parse(request.scope).row
    if "training" in needs:
        remedy = f"apcli finetune --method {method.name} --sparsity S"
        raise UsageError(f"--method {method.name} learns in training which weights go: use {remedy}")
    if ("like" in needs) != bool(config.like):
        raise UsageError(f"--method {method.name} {'needs' if not config.like else 'does not go with'} --like FILE")
    if "reconstruction" in needs and (config.rewind_to or config.min_keep):
        raise UsageError(f"--method {method.name} makes new weights: leave --rewind-to and --min-keep out")
    if "reconstruction" in needs and {"scores", "rows"} & {*scope.needs}:
        known = ", ".join(row.name for row in SCOPES if not {"scores", "rows"} & {*row.needs})
        raise UsageError(
            f"--method {method.name} with --scope {request.scope}: expected one of {known}, whose counts need no scores"
        )
    if "steps" in needs and (config.layer_sparsity or config.pattern):
        raise UsageError(f"--method {method.name} prunes in steps: give --sparsity and a --scope")
