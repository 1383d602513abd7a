"""A stage's options as parameters of its command, in place of the single parameter ``options``."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args

import typer

from apcli.configs.values import defaults_of

Command = Callable[..., None]
Groups = Mapping[str, Mapping[str, Any]]  # annotated types by keyword, by the name of their group in the help
Options = dict[str, Any]  # by keyword, a stage's values that the command line or the environment gives


def with_options(groups: Groups, config: type) -> Callable[[Command], Command]:
    """Replace a command's parameter ``options`` by one option for each of ``groups``, and pass it those that are given.

    Args:
        groups: in the order of the help.
        config: the config that the keywords describe, which has their defaults.
    """
    defaults = defaults_of(config)
    options = {name: _in_group(kind, group) for group, kinds in groups.items() for name, kind in kinds.items()}

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def taking_each(context: typer.Context, **given: Any) -> None:
            values = {name: given.pop(name) for name in options}
            command(**given, options={name: value for name, value in values.items() if _is_given(context, name)})

        signature = inspect.signature(command)
        own = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [own]
        for one in signature.parameters.values():
            if one.name != "options":
                parameters.append(one)
                continue
            for name, kind in options.items():
                parameters.append(inspect.Parameter(name, one.kind, default=defaults[name], annotation=kind))
        taking_each.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        taking_each.__annotations__ = {one.name: one.annotation for one in parameters}
        return taking_each

    return decorate


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _in_group(kind: Any, group: str) -> Any:
    """An annotated type whose option stands in ``group`` in this command's help."""
    kind, option = get_args(kind)
    option = copy.copy(option)
    option.rich_help_panel = group
    return Annotated[kind, option]
