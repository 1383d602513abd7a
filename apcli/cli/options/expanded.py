"""The options of a stage, given to its command in the place of one parameter."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from apcli.configs.values import defaults_of

Command = Callable[..., None]
Options = dict[str, Any]  # what the command line says of a stage, by keyword


def with_options(options: Mapping[str, Any], config: type) -> Callable[[Command], Command]:
    """Give a command an option for each of ``options`` in place of its parameter ``options``, which gets their values.

    Args:
        options: annotated types by keyword, in the order of the help.
        config: what the keywords describe, and whose defaults they have.
    """
    defaults = defaults_of(config)

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def taking_each(**given: Any) -> None:
            values = {name: given.pop(name) for name in options}
            command(**given, options=values)

        signature = inspect.signature(command)
        parameters: list[inspect.Parameter] = []
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
