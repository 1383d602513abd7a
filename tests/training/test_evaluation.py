"""Evaluation by hand, sample by sample."""

import math

import pytest
import torch
from tiny_training import CLASSES, data, network, recipe, run, snapshot, spec
from torch import nn

from apcli.data.datasets import Split
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward


def by_hand(model: nn.Module, split: Split, classes: int = CLASSES) -> dict[str, float | None]:
    """One pass over the whole split in float64, sample by sample."""
    model = model.double().eval()
    loss = first = among_five = 0.0
    with torch.no_grad():
        logits = model((split.images.double() / 255 - 0.5) / 0.25)
    for scores, label in zip(logits.tolist(), split.labels.tolist(), strict=True):
        top = max(scores)
        loss -= scores[label] - top - math.log(sum(math.exp(score - top) for score in scores))
        rank = sum(score > scores[label] for score in scores)
        first += rank == 0
        among_five += rank < 5
    n = len(split)
    return {"loss": loss / n, "accuracy": 100 * first / n, "top5": 100 * among_five / n if classes >= 5 else None}


@pytest.mark.parametrize("count", [1, 63, 64, 65, 500])
def test_evaluation_is_that_of_the_whole_split(count):
    """Also when the last batch is smaller: a mean of means would be off."""
    model, dataset = network(), data(train=count, test=37)
    list(run(model, recipe(epochs=1)))
    model.train()
    before = snapshot(model)
    found = evaluate(Forward(model, spec()), dataset, 16)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for split in ("train", "test"):
        expected = by_hand(model, getattr(dataset, split))
        model.float()
        assert found[split]["loss"] == pytest.approx(expected["loss"], rel=1e-5)
        assert found[split]["accuracy"] == pytest.approx(expected["accuracy"], rel=1e-12)
        assert found[split]["top5"] == pytest.approx(expected["top5"], rel=1e-12)


def test_among_five_of_less_than_five_classes_is_not_known():
    model, dataset = network(classes=4), data(classes=4)
    found = evaluate(Forward(model, spec(4)), dataset, 16)
    assert found["test"]["top5"] is None
    assert found["test"]["accuracy"] == pytest.approx(by_hand(model, dataset.test, 4)["accuracy"])
    five = evaluate(Forward(network(classes=5), spec(5)), data(classes=5), 16)
    assert five["test"]["top5"] == 100.0


def test_auxiliary_outputs_are_left_out():
    model = network()
    plain = evaluate(Forward(model, spec()), data(), 16)
    inside = model.forward
    model.forward = lambda images: (inside(images), inside(images) * 0)
    assert evaluate(Forward(model, spec()), data(), 16) == plain


def test_a_batch_that_memory_does_not_hold_is_halved_and_nothing_else_changes(caplog):
    model, dataset = network(), data(train=50, test=37)
    whole = evaluate(Forward(model, spec()), dataset, 16)
    limited = Limited(model)
    found = evaluate(Forward(limited, spec()), dataset, 16)
    assert limited.refused == 1
    assert "memory ran out" in caplog.text
    for split, metrics in whole.items():
        assert found[split] == pytest.approx(metrics, rel=1e-6)


class Limited(nn.Module):
    """A network whose first batch of more than 40 images takes more memory than there is."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.refused = inner, 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 40 and not self.refused:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inner(images)
