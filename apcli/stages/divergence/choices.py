"""What ``--dist`` and ``--measure`` mean together, and whether they go together, before anything is read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from apcli.configs.divergence import DivergenceConfig
from apcli.errors import UsageError
from apcli.projections import COVARIANCES, DISTRIBUTIONS
from apcli.projections.weights import check_groups, pair_of
from apcli.registry.tables import Choice, split_list
from apcli.theory import MEASURES
from apcli.theory.covariances.families import identity
from apcli.theory.covariances.row_samples import Rows
from apcli.theory.distributions.categorical import CategoricalPair
from apcli.theory.measures import NoExactForm, NotDefined, Pair


def choices_of(config: DivergenceConfig) -> list[Choice]:
    """The distributions of ``--dist``, with ``--groups`` where they have it and do not say otherwise.

    Raises:
        UsageError: an unknown name or parameter, or ``--groups`` where no distribution has groups.
    """
    choices = DISTRIBUTIONS.parse_list(config.dist)
    if config.groups and not any("groups" in choice.parameters for choice in choices):
        raise UsageError(f"--groups {config.groups}: no distribution of {config.dist} averages weights into groups")
    specs = split_list(config.dist, DISTRIBUTIONS.kind)
    return [_grouped(c, config.groups, said=":groups=" in spec) for c, spec in zip(choices, specs, strict=True)]


def is_on_data(choice: Choice) -> bool:
    """Whether a distribution is measured on the network and its data."""
    cov = choice.parameters.get("cov")
    return "data" in choice.row.needs or (cov is not None and "data" in COVARIANCES.row(str(cov)).needs)


def needs_data(config: DivergenceConfig) -> bool:
    """Whether any chosen distribution is measured on the network and its data."""
    return any(map(is_on_data, DISTRIBUTIONS.parse_list(config.dist)))


def check_choices(choices: Sequence[Choice], measures: Sequence[Choice], config: DivergenceConfig) -> None:
    """Try every distribution with every measure on laws of one or two coordinates.

    Raises:
        UsageError: a parameter is out of range, a measure is not defined for a distribution or an estimator, or an
            option is given that nothing looks at.
    """
    if not any(map(is_on_data, choices)):
        given = {"--data": config.data.name, "--model": config.model, "--images": config.images}
        given["--split"] = config.split != DivergenceConfig.split
        idle = [*(option for option, value in given.items() if value), *config.inputs.said]
        if idle:
            raise UsageError(f"{idle[0]} is given, but no distribution of {config.dist} is measured on the network")
    if config.estimator != "exact" and any(measure.name == "w2" for measure in measures):
        raise UsageError(f"--estimator {config.estimator}: w2 is no average over draws: use --estimator exact for it")
    for choice in (*choices, *measures):
        if [*choices, *measures].count(choice) > 1:
            raise UsageError(f"{choice.spec} is named twice: expected each distribution and each measure once")
    for choice in choices:
        if choice.name == "predictive" and config.level == "layer":
            raise UsageError("--level layer: predictive is of the whole network: choose network or both")
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
    """The end of a message about a measure that a pair of laws does not have: those that it has."""
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


def _grouped(choice: Choice, groups: int, *, said: bool) -> Choice:
    if said or "groups" not in choice.parameters:
        return choice
    return replace(choice, parameters={**choice.parameters, "groups": groups})


def _example(choice: Choice, measures: Sequence[Choice]) -> Pair | None:
    """Two laws as this choice makes them; None for AP2, which is no law."""
    check_groups(choice)
    if choice.name == "ap2":
        return None
    if choice.name == "predictive":
        return CategoricalPair(*np.log([[[0.5, 0.5]], [[0.4, 0.6]]]))
    if "cov" not in choice.parameters:
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
