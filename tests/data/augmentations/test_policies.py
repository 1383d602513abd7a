"""The policies: what an image may become, and how often, against torchvision's operations."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from apcli.data.augmentations import operations, policies
from apcli.data.augmentations.operations import Operation, strengths_of


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[Operation]]:
    """The operations of each turn, as they are asked for."""
    seen: list[list[Operation]] = []

    def look(images: torch.Tensor, asked: list[Operation]) -> torch.Tensor:
        seen.append(asked)
        return operations.applied(images, asked)

    monkeypatch.setattr(policies, "applied", look)
    return seen


def change(function: Callable[..., torch.Tensor], count: int, **parameters: Any) -> torch.Tensor:
    images = torch.randint(0, 256, (1, 3, 6, 5), generator=torch.Generator().manual_seed(0)).float()
    made = function(images.expand(count, -1, -1, -1), (6, 5), torch.Generator().manual_seed(1), **parameters)
    return torch.cat([images, made])


def test_rand_augment_draws_each_operation_as_often_and_one_strength(drawn):
    change(policies.rand_augment, 2800, ops=3, magnitude=12)
    assert [len(turn) for turn in drawn] == [2800] * 3
    space = strengths_of(31, 6, 5)
    for turn in drawn:
        counts = Counter(name for name, _ in turn)
        assert len(counts) == 14
        assert all(140 < count < 260 for count in counts.values())
        for name, strength in turn:
            assert abs(strength) == (space[name][12] if name in space else 0)
        assert 0.4 < sum(s < 0 for n, s in turn if n == "Rotate") / counts["Rotate"] < 0.6
        assert all(s >= 0 for n, s in turn if n in ("Posterize", "Solarize"))
    assert len(set(zip(*drawn, strict=True))) > 2000


def test_trivial_augment_draws_one_operation_of_any_strength(drawn):
    change(policies.trivial_augment, 2800)
    (turn,) = drawn
    space = strengths_of(31, 6, 5, wide=True)
    counts = Counter(name for name, _ in turn)
    assert len(counts) == 14
    assert all(140 < count < 260 for count in counts.values())
    assert {abs(strength) for name, strength in turn if name == "Solarize"} == set(space["Solarize"])
    assert {abs(strength) for name, strength in turn if name == "Rotate"} == set(space["Rotate"])


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_auto_augment_draws_a_rule_and_each_half_of_it_by_its_probability(drawn, policy):
    count = 5000
    change(policies.auto_augment, count, policy=policy)
    rules = AutoAugment(AutoAugmentPolicy(policy)).policies
    space = strengths_of(10, 6, 5)
    for turn, seen in enumerate(drawn):
        expected: Counter[Operation] = Counter()
        for rule in rules:
            name, probability, step = rule[turn]
            strength = space[name][step] if name in space else 0.0
            for one in (strength, strength if name in operations.UNSIGNED else -strength):
                expected[name, one] += probability / 25 / 2
            expected["Identity", 0.0] += (1 - probability) / 25
        counts = Counter(seen)
        assert {one for one, share in expected.items() if share} >= counts.keys()
        for one, share in expected.items():
            assert abs(counts[one] / count - share) <= 5 * (share / count) ** 0.5, one
    both = {(first, second) for first, second in zip(*drawn, strict=True)}
    halves = [{rule[0][0]: rule[1][0]} for rule in rules]
    for (first, _), (second, _) in both:
        assert any(half.get(first) == second for half in halves) or "Identity" in (first, second)


def test_what_is_drawn_is_what_becomes_of_the_image(drawn):
    first, *made = change(policies.trivial_augment, 30)
    for image, one in zip(made, drawn[0], strict=True):
        assert torch.equal(operations.applied(first[None].byte(), [one]).float()[0], image)


def test_draws_of_the_host_go_on_where_the_generator_stands():
    generator = torch.Generator().manual_seed(3)
    assert policies.on_the_host(generator) is generator

    class Elsewhere:
        """A generator of a device, whose draws would have to be waited for."""

        device = torch.device("meta")

        def get_state(self) -> torch.Tensor:
            return generator.get_state()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *_, **__: generator.manual_seed(4))
        elsewhere: Any = Elsewhere()
        first, second = policies.on_the_host(elsewhere), policies.on_the_host(elsewhere)
        generator.manual_seed(3)
        again = policies.on_the_host(elsewhere)
    numbers = [torch.randint(1000, (5,), generator=one).tolist() for one in (first, second, again)]
    assert numbers[0] == numbers[2] != numbers[1]
