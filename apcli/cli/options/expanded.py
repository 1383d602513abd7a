"""Options that several commands share, given to each in the place of one parameter."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

Command = Callable[..., None]


def expanded(
    parameter: str, options: Mapping[str, Any], make: Callable[..., Any], defaults: Mapping[str, Any]
) -> Callable[[Command], Command]:
    """Give a command an option for each of ``options`` in place of its ``parameter``, which ``make`` makes of them.

    Args:
        options: annotated types by name.
        defaults: by the same names.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def taking_each(**given: Any) -> None:
            made = make(**{name: given.pop(name) for name in options})
            command(**given, **{parameter: made})

        signature = inspect.signature(command)
        parameters: list[inspect.Parameter] = []
        for one in signature.parameters.values():
            if one.name != parameter:
                parameters.append(one)
                continue
            for name, kind in options.items():
                parameters.append(inspect.Parameter(name, one.kind, default=defaults[name], annotation=kind))
        taking_each.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        taking_each.__annotations__ = {one.name: one.annotation for one in parameters}
        return taking_each

    return decorate
