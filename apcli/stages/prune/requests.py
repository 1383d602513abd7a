"""Expand a command line into one request per result, and refuse combinations of options that make no sense."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from apcli.allocations import SCOPES
from apcli.allocations.budgets import Sparsity
from apcli.allocations.units import Resource
from apcli.checkpoints.checkpoint import Checkpoint
from apcli.checkpoints.layers import last_is_missing
from apcli.configs.prune import EACH, PruneConfig
from apcli.configs.values import option_of
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.errors import UsageError
from apcli.registry.tables import Choice, Row, Table, split_list
from apcli.stages.limits import ACCURACY, KINDS, LIMITS
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


@dataclass(frozen=True)
class Remaining:
    """The share ``left`` of what the dense network costs."""

    resource: Resource
    left: float

    @property
    def option(self) -> str:
        """As it is given, for messages."""
        return f"--budget {self.resource}={self.left:g}"


@dataclass(frozen=True)
class Limit:
    """The highest sparsity that a rule allows; ``removed`` is its share of the weights, None until it is found out."""

    rule: Choice[Row]
    removed: float | None = None


Amount = Sparsity | Compression | Remaining | Pattern | ByLayer | ZerosOf | Limit

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
    """Whether weights or channels are chosen, or adjusted, by means of the network."""
    return config.is_filter or scores_network(config) or counts_network(config)


def scores_network(config: PruneConfig) -> bool:
    """Whether single weights are chosen, shared out or adjusted by running the network."""
    runs = any(request.needs("network") or is_measured(request, config) for request in requests_of(config, 0))
    return runs and not config.is_filter


def counts_network(config: PruneConfig) -> bool:
    """Whether the budget is what the network costs, which its parameters alone do not tell."""
    return any(name != Resource.PARAMETERS for name, _ in config.budget)


def needs_data(config: PruneConfig) -> bool:
    """Whether images are needed."""
    return any(takes_images(request, config) for request in requests_of(config, 0))


def takes_images(request: Request, config: PruneConfig) -> bool:
    """Whether a result depends on images."""
    return request.needs("data") or is_measured(request, config)


def is_measured(request: Request, config: PruneConfig) -> bool:
    """Whether a result depends on what the network does on images, whatever its method needs."""
    by_scope = "activations" in SCOPES.parse(request.scope).row.needs
    return config.adjust or by_scope or isinstance(request.amount, Limit)


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
    shares = (Limit(LIMITS.parse(one)) if isinstance(one, str) else Sparsity(one) for one in config.sparsity)
    amounts: list[Amount] = [*shares, *map(Compression, config.compression)]
    amounts += [Remaining(Resource(name), left) for name, left in config.budget]
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
    if config.validation and not any(by_accuracy(amount) for amount in _amounts_of(config)):
        raise UsageError(
            f"--validation is {config.validation:g}, but nothing is measured on these images: it goes with "
            f"--sparsity limit:eps={ACCURACY}-1"
        )


def by_accuracy(amount: Amount) -> bool:
    """Whether the images held out decide the amount."""
    return isinstance(amount, Limit) and str(amount.rule.parameters["eps"]).startswith(ACCURACY)


def _check_limit(rule: Choice[Row], request: Request, config: PruneConfig) -> None:
    """Raise UsageError if a limit does not go with the other options."""
    given = f"--sparsity {rule.spec}"
    largest = "largest" in KINDS.row(str(rule.parameters["kind"])).needs
    if config.is_filter or config.layer_sparsity or config.rewind_to or config.min_keep:
        raise UsageError(
            f"{given} finds out how many single weights go: leave --structure filter, --layer-sparsity, --rewind-to "
            "and --min-keep out"
        )
    if largest and (request.method.spec, request.scope) != ("lowest", "global"):
        raise UsageError(
            f"{given} is about the largest weights of all layers: give --method lowest --scope global, or kind=oneshot"
        )
    if by_accuracy(request.amount) and largest:
        raise UsageError(f"{given}: accuracy has no second order: give eps=std, or kind=oneshot")
    if by_accuracy(request.amount) and not config.validation:
        raise UsageError(f"{given} decides by the accuracy on images that are held out: give --validation SHARE")


def _check(request: Request, config: PruneConfig) -> None:
    """Raise UsageError if a method does not go with the other options."""
    method = request.method
    if isinstance(request.amount, Limit):
        _check_limit(request.amount.rule, request, config)
    if method == MASK:
        return
    needs, scope = method.row.needs, SCOPES.parse(request.scope).row
    if "training" in needs:
        remedy = f"apcli finetune --method {method.name} --sparsity S"
        raise UsageError(f"--method {method.name} learns in training which weights go: use {remedy}")
    if ("like" in needs) != bool(config.like):
        raise UsageError(f"--method {method.name} {'needs' if not config.like else 'does not go with'} --like FILE")
    if "reconstruction" in needs and (config.rewind_to or config.min_keep or config.adjust):
        raise UsageError(f"--method {method.name} makes new weights: leave --rewind-to, --min-keep and --adjust out")
    if "reconstruction" in needs and {"scores", "rows"} & {*scope.needs}:
        known = ", ".join(row.name for row in SCOPES if not {"scores", "rows"} & {*row.needs})
        raise UsageError(
            f"--method {method.name} with --scope {request.scope}: expected one of {known}, whose counts need no scores"
        )
    if "steps" in needs and (config.layer_sparsity or config.pattern):
        raise UsageError(f"--method {method.name} prunes in steps: give --sparsity and a --scope")
