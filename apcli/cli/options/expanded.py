"""A stage's options as parameters of its command, in place of the single parameter ``options``."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from apcli.configs.values import defaults_of

Command = Callable[..., None]
Options = dict[str, Any]  # a stage's values from the command line, by keyword


def with_options(options: Mapping[str, Any], config: type) -> Callable[[Command], Command]:
    """Replace a command's parameter ``options`` by one option for each of ``options``, and pass it their values.

    Args:
        options: annotated types by keyword, in the order of the help.
        config: the config that the keywords describe, which has their defaults.
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
