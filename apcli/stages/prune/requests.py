"""What a request to prune multiplies to, and which requests make no sense."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from apcli.allocations import SCOPES
from apcli.configs.prune import PruneConfig
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.errors import UsageError
from apcli.registry.tables import Choice, split_list
from apcli.stages.outputs import Outputs


@dataclass(frozen=True)
class Trial:
    """One of the results that a request multiplies to. ``sparsity`` None: what other options say."""

    method: Choice | None
    sparsity: float | None
    compression: float | None
    seed: int | None
    other: str | None  # the file whose zeros are taken or counted


def check(config: PruneConfig, outputs: Outputs) -> None:
    """Refuse a wrong request before anything is read.

    Raises:
        UsageError: an unknown method or scope, options that do not go together, or one output file for several results.
    """
    SCOPES.parse(config.scope)
    trials = list(trials_of(config, 0))
    outputs.expect(len(trials))
    if config.seeds and not any(trial.seed is not None for trial in trials):
        what = ", ".join(dict.fromkeys(trial.method.spec if trial.method else "--mask-from" for trial in trials))
        raise UsageError(f"--seed or --seeds is given but {what} draws nothing: leave it out, or add random")
    for trial in trials:
        _check(trial, config)
    _check_unused(config)


def needs_network(config: PruneConfig) -> bool:
    """Whether the network has to be built: to be run, or for its modules to say which tensors are layers."""
    return config.model is not None or runs_network(config)


def runs_network(config: PruneConfig) -> bool:
    """Whether the network itself says what goes."""
    if config.is_filter:
        return True
    return any(trial.method and "network" in trial.method.row.needs for trial in trials_of(config, 0))


def needs_data(config: PruneConfig) -> bool:
    """Whether a method looks at images."""
    return any(trial.method and "data" in trial.method.row.needs for trial in trials_of(config, 0))


def trials_of(config: PruneConfig, own_seed: int) -> Iterator[Trial]:
    """Every method, share, seed and other file; a method that draws nothing has no seed and is done once."""
    amounts: list[tuple[float | None, float | None]] = [(s, None) for s in config.sparsity]
    amounts += [(None, c) for c in config.compression]
    table = FILTER_METHODS if config.is_filter else METHODS
    default = "l1" if config.is_filter else "lowest"
    methods: list[Choice | None] = [None]
    if not config.mask_from:
        given = config.method or ("random-same-layers" if config.like else default)
        methods = list(table.parse_list(given))
    others = config.like or config.mask_from
    for method, (sparsity, compression) in product(methods, amounts or [(None, None)]):
        draws = method is not None and "seed" in method.row.needs
        for seed in (config.seeds or (own_seed,)) if draws else (None,):
            for other in split_list(others, "file") if others else (None,):
                yield Trial(method, sparsity, compression, seed, other)


def _check_unused(config: PruneConfig) -> None:
    """Raise UsageError where an option is given that nothing would look at."""
    needed = {"network": runs_network(config), "images": needs_data(config)}
    about = {"device": "network", "split": "images", "images": "images", "batch_size": "images"}
    given = [name for name in about if getattr(config, name) != getattr(PruneConfig, name)]
    inputs = [option.removeprefix("--") for option in config.inputs.said]
    for name in [*given, *(["data"] if config.data.name else []), *inputs]:
        what = about.get(name, "network")
        if not needed[what]:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is given, but {config.method or 'this'} needs no {what}: leave it out")


def _check(trial: Trial, config: PruneConfig) -> None:
    """Raise UsageError where a method does not go with the other options."""
    method = trial.method
    if method is None:
        return
    if "training" in method.row.needs:
        remedy = f"apcli finetune --method {method.name} --sparsity S"
        raise UsageError(f"--method {method.name} learns in training which weights go: use {remedy}")
    if ("like" in method.row.needs) != bool(config.like):
        raise UsageError(f"--method {method.name} {'needs' if not config.like else 'does not go with'} --like FILE")
    if "reconstruction" in method.row.needs and (config.rewind_to or config.min_keep):
        raise UsageError(f"--method {method.name} makes new weights: leave --rewind-to and --min-keep out")
    if "reconstruction" in method.row.needs and not config.pattern and SCOPES.parse(config.scope).row.needs:
        known = " or ".join(row.name for row in SCOPES if not row.needs)
        raise UsageError(
            f"--method {method.name} with --scope {config.scope}: expected {known}, which say beforehand what each "
            "layer loses"
        )
    if "steps" in method.row.needs and (config.layer_sparsity or config.pattern):
        raise UsageError(f"--method {method.name} prunes in steps: give --sparsity and a --scope")
