"""A network's expected input if its file does not record it: the channels of a user's network, and a log sentence."""

from dataclasses import replace

import torch
from torch import nn

from apcli.configs.shared import InputConfig
from apcli.errors import ApcliError, first_line
from apcli.models.build import build
from apcli.models.spec import ModelSpec


def for_its_channels(spec: ModelSpec, user_model: str | None) -> ModelSpec:
    """Find out whether a user's network takes grey images as one channel, or repeated to three.

    Raises:
        ApcliError: the network takes neither.
    """
    if spec.source != "user" or spec.input_size[0] != 1:
        return spec
    network = build(spec, user_model=user_model).eval()
    wider = replace(spec, input_size=(3, *spec.input_size[1:]), mean=spec.mean * 3, std=spec.std * 3)
    reasons = []
    for one in (spec, wider):
        reason = _failing(network, one)
        if not reason:
            return one
        reasons.append(f"images of {'x'.join(map(str, one.input_size))} ({reason})")
    raise ApcliError(f"{spec.name} takes neither {reasons[0]} nor {reasons[1]}: give another --input-size")


def _failing(network: nn.Module, spec: ModelSpec) -> str:
    """The reason why the network fails on such images; empty if it does not."""
    parameter = next(network.parameters(), torch.empty(0))
    try:
        with torch.no_grad():
            network(torch.zeros(2, *spec.input_size, dtype=parameter.dtype))
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # the user's code may raise anything
        return first_line(error)
    return ""


def input_sentence(
    spec: ModelSpec, given: InputConfig, remembered: InputConfig, *, by_file: bool, pretrained: bool = False
) -> str:
    """Describe the network's input in a sentence: each value and the option, file, library or data set it comes from.

    Args:
        given: the command's options.
        remembered: the options of an earlier command that the file remembers.
        by_file: whether the file records the values that no option gives.
    """
    library = spec.source if spec.source in ("torchvision", "timm") else "the data"

    def by(option: str, key: str, other: str) -> str:
        return option if getattr(given, key) else "the file" if by_file or getattr(remembered, key) else other

    size = by("--input-size", "input_size", library)
    other = "its published weights" if pretrained else "the data"
    scaling = dict.fromkeys([by("--mean", "mean", other), by("--std", "std", other)])
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (spec.mean, spec.std))
    return (
        f"{spec.name} takes images of {'x'.join(map(str, spec.input_size))} (by {size}), normalised by mean {mean} and "
        f"std {std} (by {' and '.join(scaling)})"
    )
