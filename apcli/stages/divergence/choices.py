"""Parse ``--dist`` and ``--measure``, and check that they go together, before anything is read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from apcli.configs.divergence import FILTER, NETWORK, DivergenceConfig
from apcli.configs.values import defaults_of, option_of
from apcli.errors import UsageError
from apcli.projections import COVARIANCES, DISTRIBUTIONS, Form
from apcli.projections.weights import Distribution, check_groups, pair_of
from apcli.registry.tables import Choice, split_list
from apcli.theory import MEASURES, MeasureRow
from apcli.theory.covariances.families import identity
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions.categorical import CategoricalPair
from apcli.theory.measures import NoExactForm, NotDefined, Pair

_DEFAULTS = defaults_of(DivergenceConfig)


def choices_of(config: DivergenceConfig) -> list[Distribution]:
    """The distributions of ``--dist``; ``--groups`` applies to those that have groups and do not set them.

    Raises:
        UsageError: an unknown name or parameter, or ``--groups`` where no distribution has groups.
    """
    choices = DISTRIBUTIONS.parse_list(config.dist)
    if config.groups and not any("groups" in choice.parameters for choice in choices):
        raise UsageError(f"--groups {config.groups}: no distribution of {config.dist} averages weights into groups")
    specs = split_list(config.dist, DISTRIBUTIONS.kind)
    return [_grouped(c, config.groups, explicit=":groups=" in spec) for c, spec in zip(choices, specs, strict=True)]


def is_on_data(choice: Distribution) -> bool:
    """Whether a distribution is measured on the network and its data."""
    cov = choice.parameters.get("cov")
    return "data" in choice.row.needs or (cov is not None and "data" in COVARIANCES.row(str(cov)).needs)


def needs_data(config: DivergenceConfig) -> bool:
    """Whether any chosen distribution is measured on the network and its data."""
    return any(map(is_on_data, DISTRIBUTIONS.parse_list(config.dist)))


def check_choices(
    choices: Sequence[Distribution], measures: Sequence[Choice[MeasureRow]], config: DivergenceConfig
) -> None:
    """Try every distribution with every measure, in one or two dimensions.

    Raises:
        UsageError: a parameter is out of range, a measure is not defined for a distribution or an estimator, or an
            option is given that has no effect.
    """
    if not any(map(is_on_data, choices)):
        given = [key for key in ("model", "images", "split", "batch_size") if getattr(config, key) != _DEFAULTS[key]]
        idle = [*config.data.options, *map(option_of, given), *config.inputs.options]
        if idle:
            raise UsageError(f"{idle[0]} is given, but no distribution of {config.dist} is measured on the network")
    undrawn = [measure.name for measure in measures if not measure.row.drawn]
    if config.estimator != "exact" and undrawn:
        what = f"{undrawn[0]} is no average over draws"
        raise UsageError(f"--estimator {config.estimator}: {what}: use --estimator exact for it")
    DISTRIBUTIONS.check_distinct(choices)
    MEASURES.check_distinct(measures)
    for choice in choices:
        if FILTER in config.levels and is_on_data(choice):
            what = f"{choice.spec} is measured on the network, not on single filters"
            raise UsageError(f"--level {config.level}: {what}: leave it out, or choose layer, network or both")
        if choice.row.form is Form.PREDICTIONS and NETWORK not in config.levels:
            raise UsageError(f"--level {config.level}: {choice.name} is of the whole network: choose network or both")
        try:
            pair = _example(choice, measures)
        except ValueError as error:
            raise UsageError(f"--dist {choice.spec}: {error}") from None
        if pair is None:
            continue
        for measure in measures:
            try:
                measure(pair)
            except NoExactForm:
                pass
            except ValueError as error:
                raise UsageError(
                    f"--measure {measure.spec} of {choice.spec}: {error}{what_is_defined(pair, error)}"
                ) from None


def what_is_defined(pair: Pair, error: ValueError) -> str:
    """The end of a message about an undefined measure: those that are defined for the pair."""
    return f"; defined are {', '.join(_defined(pair))}" if isinstance(error, NotDefined) else ""


def _defined(pair: Pair) -> Iterator[str]:
    for row in MEASURES:
        try:
            row.load()(pair, **row.parameters)
        except NotDefined:
            continue
        except ValueError:
            pass
        yield row.name


def _grouped(choice: Distribution, groups: int, *, explicit: bool) -> Distribution:
    if explicit or "groups" not in choice.parameters:
        return choice
    return replace(choice, parameters={**choice.parameters, "groups": groups})


def _example(choice: Distribution, measures: Sequence[Choice[MeasureRow]]) -> Pair | None:
    """A pair of this choice's distributions; None for a number such as AP2, which is no distribution."""
    check_groups(choice)
    if choice.row.form is Form.NUMBER:
        return None
    if choice.row.form is Form.PREDICTIONS:
        return CategoricalPair(*np.log([[[0.5, 0.5]], [[0.4, 0.6]]]))
    if choice.row.form is Form.INDEPENDENT:
        reduction: Any = choice().reduction(measures, False)
        reduction.absorb(reduction.reduce(0, np.ones(1)))
        pair: Pair = reduction.pair()
        return pair
    scales: dict[str, Any] = {key: choice.parameters[key] for key in ("scale", "pruned_scale")}
    shift = identity(**scales).shift(np.ones(1), 1.0, 1, 2)
    row = COVARIANCES.row(str(choice.parameters["cov"]))
    known = "data" not in row.needs
    if known and "file" not in row.needs:
        rows = Rows(lambda: iter([np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 3.0]])]), 3, 2)
        row.load()(rows, rows, **scales, **{key: choice.parameters[key] for key in row.parameters})
    return pair_of(choice, shift if known else replace(shift, traces=None, bures2=None))
