"""Policies that draw operations for each image: AutoAugment, RandAugment and TrivialAugment.

torchvision's classes draw once for a whole batch. The operations are those of bytes: fractions of a level are rounded.
"""

from functools import cache
from hashlib import blake2b
from typing import Any

import torch
from torch import Generator, Tensor

from apcli.data.augmentations.operations import STILL, UNSIGNED, Operation, applied, strengths_of
from apcli.libraries import library

STEPS, STEPS_OF_AUTO = 31, 10  # strengths that are told apart


def auto_augment(images: Tensor, size: tuple[int, int], generator: Generator, *, policy: str) -> Tensor:
    """Draw one of 25 rules for each image: two operations, each with its probability and strength; signs by a coin.

    Source: Cubuk et al. 2019, arXiv:1805.09501, section 4 and tables 7 to 9.
    """
    count, host = len(images), on_the_host(generator)
    rules, strengths = _rules(policy), strengths_of(STEPS_OF_AUTO, *images.shape[2:])
    chosen = torch.randint(len(rules), (count,), generator=host).tolist()
    levels = images.round().byte()
    for turn in range(2):
        chances = torch.rand(count, generator=host).tolist()
        coins = torch.randint(2, (count,), generator=host).tolist()
        drawn = []
        for rule, chance, coin in zip(chosen, chances, coins, strict=True):
            name, probability, step = rules[rule][turn]
            taken = chance < probability
            drawn.append(_signed(name, strengths[name][step] if name in strengths else 0.0, coin) if taken else STILL)
        levels = applied(levels, drawn)
    return levels.to(images.dtype)


def rand_augment(images: Tensor, size: tuple[int, int], generator: Generator, *, ops: int, magnitude: int) -> Tensor:
    """Draw ``ops`` of 14 operations for each image, with replacement, all of one strength; signs by a coin.

    Source: Cubuk et al. 2020, arXiv:1909.13719, section 3.
    """
    host, strengths = on_the_host(generator), strengths_of(STEPS, *images.shape[2:])
    levels = images.round().byte()
    for _ in range(ops):
        levels = _any_of_14(levels, strengths, [magnitude] * len(images), host)
    return levels.to(images.dtype)


def trivial_augment(images: Tensor, size: tuple[int, int], generator: Generator) -> Tensor:
    """Draw one of 14 operations for each image, and one of the 31 strengths of the wide space; signs by a coin.

    Source: Müller & Hutter 2021, arXiv:2103.10158, algorithm 1 and table 6.
    """
    host, strengths = on_the_host(generator), strengths_of(STEPS, *images.shape[2:], wide=True)
    steps = torch.randint(STEPS, (len(images),), generator=host).tolist()
    return _any_of_14(images.round().byte(), strengths, steps, host).to(images.dtype)


def on_the_host(generator: Generator) -> Generator:
    """A generator on the CPU that goes on where ``generator`` stands, whose own draws come out differently afterwards.

    These draws decide which operation runs; those of a device would have to be waited for.
    """
    if generator.device.type == "cpu":
        return generator
    state = generator.get_state().numpy().tobytes()  # kept on the host
    torch.rand(1, generator=generator, device=generator.device)
    return Generator().manual_seed(int.from_bytes(blake2b(state, digest_size=4).digest(), "little"))


def _any_of_14(levels: Tensor, strengths: dict[str, list[float]], steps: list[int], host: Generator) -> Tensor:
    """Each image after an operation drawn for it, of the strength that ``steps`` has for it."""
    names = ["Identity", *strengths, "AutoContrast", "Equalize"]
    which = torch.randint(len(names), (len(levels),), generator=host).tolist()
    coins = torch.randint(2, (len(levels),), generator=host).tolist()
    drawn = [
        _signed(names[index], strengths.get(names[index], [0.0] * STEPS)[step], coin)
        for index, step, coin in zip(which, steps, coins, strict=True)
    ]
    return applied(levels, drawn)


def _signed(name: str, strength: float, coin: int) -> Operation:
    return name, strength if coin or name in UNSIGNED else -strength


@cache
def _rules(policy: str) -> list[list[tuple[str, float, int]]]:
    """The rules: each two times an operation's name, its probability, and its strength's number if it has strengths."""
    transforms: Any = library("torchvision.transforms")
    rules: list[list[tuple[str, float, int]]] = transforms.AutoAugment(transforms.AutoAugmentPolicy(policy)).policies
    return rules
