"""Convert keywords to a stage's config, with the same names, defaults and errors in Python and on the command line.

A config's fields are its keywords. The fields of a nested config are keywords too, except that its ``name`` goes by the
name of the field that holds it (``data``, ``model``); ``seeds`` may be given as a single ``seed``, and ``epochs`` 0 as
``eval_only``.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from numbers import Integral, Real
from types import NoneType
from typing import Any, TypeVar, get_args

from apcli.errors import UsageError
from apcli.registry.numbers import has_decimal_commas, hint, number_meant, numbers_meant
from apcli.registry.tables import split_list

Config = TypeVar("Config")

_EXAMPLES = {
    "--sparsity": "0.1,0.3",
    "--compression": "2,4",
    "--mean": "0.485,0.456,0.406",
    "--std": "0.229,0.224,0.225",
    "--seeds": "0,1,2",
    "--input-size": "224 or 3,32,32",
}


def option_of(keyword: str) -> str:
    """A keyword's option on the command line, which messages use in Python too."""
    return f"--{keyword.replace('_', '-')}"


def defaults_of(config: type) -> dict[str, Any]:
    """The default of every keyword of ``config_of``; None for lists, meaning the config's own default."""
    return _defaults(config, "", MISSING)


def _defaults(config: type, holder: str, held: object) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    for field in fields(config):
        default = field.default if held is MISSING else getattr(held, field.name)
        if is_dataclass(field.type):
            defaults |= _defaults(field.type, field.name, default)  # type: ignore[arg-type]
        elif field.name == "seeds":
            defaults |= {"seed": None, "seeds": None}
        elif default is not MISSING:
            defaults[_keyword(field, holder)] = None if default == () else default
            if field.name == "epochs":
                defaults["eval_only"] = False
    return defaults


def config_of(config: type[Config], given: Mapping[str, Any]) -> Config:
    """The config for these keywords, with defaults for the others.

    Raises:
        UsageError: a value has the wrong type or is out of range.
    """
    return _config(config, given, "", MISSING)


def _config(config: type[Config], given: Mapping[str, Any], holder: str, held: object) -> Config:
    values: dict[str, Any] = {} if held is MISSING else dict(vars(held))
    for field in fields(config):  # type: ignore[arg-type]
        keyword = _keyword(field, holder)
        if is_dataclass(field.type):
            values[field.name] = _config(field.type, given, field.name, field.default)  # type: ignore[arg-type]
        elif field.name == "seeds":
            values |= _seeds(given)
        elif keyword in given and not (given[keyword] is None and field.default == ()):
            values[field.name] = _value(option_of(keyword), given[keyword], field.type)
        if field.name == "epochs" and _flag("--eval-only", given.get("eval_only", False)):
            values["epochs"] = _no_epochs(given)
    return config(**values)


def _no_epochs(given: Mapping[str, Any]) -> int:
    if given.get("epochs", 0) != 0:
        raise UsageError(f"--epochs {given['epochs']} and --eval-only are both given: expected one of the two")
    return 0


def _keyword(field: Field[Any], holder: str) -> str:
    return holder if holder and field.name == "name" else field.name


def _seeds(given: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    one, several = given.get("seed"), given.get("seeds")
    if one is not None and several is not None:
        raise UsageError("--seed and --seeds are both given: expected one of the two")
    if one is not None:
        return {"seeds": (_whole("--seed", one),)}
    return {} if several is None else {"seeds": _wholes("--seeds", several)}


def _value(option: str, given: object, kind: object) -> Any:
    """Convert a value to the type of its field, ``kind``."""
    kinds = set(get_args(kind)) if isinstance(kind, type(int | None)) else {kind}
    if given is None and NoneType in kinds:
        return None
    (read,) = (_READERS[one] for one in kinds - {NoneType})
    return read(option, given)


def text(option: str, given: object) -> str:
    """Convert text, a path or a checkpoint, or a list of these, to the command line's text.

    Raises:
        UsageError: the value has another type, or is an empty list.
    """
    if isinstance(given, str | os.PathLike):
        return os.fsdecode(given)
    if not isinstance(given, Iterable):
        raise UsageError(f"{option} is {given!r}: expected text, a path, or a list of these")
    members = [text(option, member) for member in given]
    if not members:
        raise UsageError(f"{option} is an empty list: leave it out, or give a member")
    return ",".join(members)


def _flag(option: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise UsageError(f"{option} is {given!r}: expected True or False")
    return given


def _whole(option: str, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise UsageError(f"{option} is {given!r}: expected a whole number")
    return int(given)


def _number(option: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, Real):
        raise UsageError(f"{option} is {given!r}: expected a number")
    return float(given)


def _wholes(option: str, given: object) -> tuple[int, ...]:
    return _members(option, given, int, _whole, "whole numbers")


def _numbers(option: str, given: object) -> tuple[float, ...]:
    return _members(option, given, float, _number, "numbers")


def _sparsities(option: str, given: object) -> tuple[float | str, ...]:
    """Numbers, and limits such as ``limit:kind=quadratic``, whose numbers are found out on the network."""
    listed = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else given
    members: list[Any] = listed.split(",") if isinstance(listed, str) else listed if isinstance(listed, list) else []
    limits = [member for member in members if isinstance(member, str) and member.strip().partition(":")[0] == "limit"]
    if not limits:
        return _numbers(option, listed)
    numbers = [member for member in members if member not in limits]
    read = iter(_numbers(option, ",".join(numbers) if isinstance(listed, str) else numbers) if numbers else ())
    return tuple(member.strip() if member in limits else next(read) for member in members)


def _members(
    option: str, given: object, of_text: type, of_one: Callable[[str, Any], Any], noun: str
) -> tuple[Any, ...]:
    """One or several numbers, or the command line's comma list."""
    if isinstance(given, str):
        try:
            if option == "--sparsity" and has_decimal_commas(given):
                raise ValueError(given)
            return tuple(of_text(member) for member in split_list(given, option))
        except (ValueError, UsageError):
            commas = "" if option == "--input-size" else " separated by commas"
            meant = numbers_meant(given) if of_text is float and option != "--compression" else ""
            expected = f"expected {noun}{commas}, as in {_EXAMPLES[option]}{hint(meant)}"
            raise UsageError(f"{option} is {given!r}: {expected}") from None
    members = tuple(of_one(option, member) for member in (given if isinstance(given, Iterable) else [given]))
    if not members:
        raise UsageError(f"{option} is an empty list: expected {noun}, as in {_EXAMPLES[option]}")
    return members


def _pairs(
    option: str, given: str | Mapping[str, float] | Iterable[tuple[str, float]]
) -> tuple[tuple[str, float], ...]:
    """Shares by layer: a mapping, pairs, or ``conv1=0.2,fc=0.8``; those of a budget as in ``macs=0.3+0.5``."""
    if option == "--budget":
        return _budgets(option, given)
    if not isinstance(given, str):
        shares = dict(given)
        return tuple((text(option, layer), _number(f"{option} {layer}", share)) for layer, share in shares.items())
    pairs = []
    for member in split_list(given, "layer"):
        layer, _, share = member.partition("=")
        try:
            pairs.append((layer.strip(), float(share)))
        except ValueError:
            expected = f"expected LAYER=SHARE, as in conv1=0.2,fc=0.8{hint(_pairs_meant(given))}"
            raise UsageError(f"{option} has {member!r}: {expected}") from None
    return tuple(pairs)


def _budgets(option: str, given: str | Mapping[str, Any] | Iterable[tuple[str, Any]]) -> tuple[tuple[str, float], ...]:
    """Shares by resource, several of each: ``macs=0.3+0.5,params=0.5``, or a mapping to one or several."""
    if not isinstance(given, str):
        shares = {text(option, name): share for name, share in dict(given).items()}
        several = {name: share if isinstance(share, Iterable) else [share] for name, share in shares.items()}
        return tuple((name, _number(f"{option} {name}", one)) for name, members in several.items() for one in members)
    pairs = []
    for member in split_list(given, "resource"):
        name, _, shares_of_it = member.partition("=")
        for share in shares_of_it.split("+"):
            try:
                pairs.append((name.strip(), float(share)))
            except ValueError:
                meant = "" if "+" in given else _pairs_meant(given)
                expected = f"expected RESOURCE=SHARE, as in macs=0.5 or macs=0.3+0.5+0.7{hint(meant)}"
                raise UsageError(f"{option} has {member!r}: {expected}") from None
    return tuple(pairs)


def _pairs_meant(given: str) -> str:
    """How shares by layer are written where one is no number; empty if they may mean anything."""
    members = re.sub(r"=0,(?=\d)", "=0.", given).split(",")  # a decimal comma parted its number in two
    pairs = [(layer, number_meant(share)) for layer, _, share in (member.partition("=") for member in members)]
    return ",".join(f"{layer}={share}" for layer, share in pairs) if all(share for _, share in pairs) else ""


def _renames(option: str, given: str | Mapping[str, str] | Iterable[str]) -> tuple[str, ...]:
    """``OLD=NEW``, several of them, or a mapping."""
    if isinstance(given, Mapping):
        return tuple(f"{old}={new}" for old, new in given.items())
    return tuple(text(option, one) for one in ([given] if isinstance(given, str) else given))


# By the type of a config's field.
_READERS: dict[Any, Callable[[str, Any], Any]] = {
    bool: _flag,
    int: _whole,
    float: _number,
    str: text,
    tuple[int, ...]: _wholes,
    tuple[float, ...]: _numbers,
    tuple[float | str, ...]: _sparsities,
    tuple[str, ...]: _renames,
    tuple[tuple[str, float], ...]: _pairs,
}
