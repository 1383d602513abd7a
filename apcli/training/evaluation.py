"""The only evaluation: loss and accuracy, summed over whole splits and divided once."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from apcli.checkpoints.promises import SplitMetrics
from apcli.data.batches import feed
from apcli.data.datasets import Dataset, Samples
from apcli.probes.batch_size import halved_if_needed, images_at_once
from apcli.training.forward import Forward
from apcli.training.processes import Processes

_SHARE = 4  # training batches at a time: evaluation keeps no gradients, so memory usually allows it


def evaluate(
    forward: Forward,
    dataset: Dataset,
    batch_size: int,
    processes: Processes | None = None,
    splits: Collection[str] | None = None,
) -> dict[str, SplitMetrics]:
    """Loss and accuracy on whole splits, in evaluation mode, without augmentation.

    Args:
        splits: their names; those that the data set does not have are left out. None: all.
    """
    forward.network.eval()
    size = images_at_once(forward, forward.spec.input_size, forward.device, _SHARE * batch_size)
    wanted = {name: split for name, split in dataset.splits.items() if splits is None or name in splits}

    def measured(split: Samples) -> SplitMetrics:
        return halved_if_needed(lambda at_once: _evaluate(forward, split, at_once, processes or Processes()), size)

    return {name: measured(split) for name, split in wanted.items()}


@torch.no_grad()
def _evaluate(forward: Forward, split: Samples, batch_size: int, processes: Processes) -> SplitMetrics:
    tally = Tally(forward.spec.num_classes, forward.device)
    spec = forward.spec
    mine = torch.arange(processes.rank, len(split), processes.size)
    for images, labels in feed(split, mine.split(batch_size), spec.scaling):
        tally.add(forward(images), labels)
    return tally.metrics(processes)


def told_split(metrics: Mapping[str, Any]) -> str:
    """The split that a sentence about a network is about: test, if it was evaluated on that."""
    return "test" if metrics.get("test") or not metrics.get("train") else "train"


def in_percent(metrics: Mapping[str, Any]) -> str:
    """The accuracy on ``told_split``, for a sentence."""
    accuracy = (metrics.get(told_split(metrics)) or {}).get("accuracy")
    return "unknown" if accuracy is None else f"{accuracy:.2f} %"


def in_words(entry: Mapping[str, Any]) -> str:
    """The numbers of an epoch's entry of the history: what was learnt while training, and what was measured after."""
    parts = []
    told = told_split(entry)
    for name, title in (("running", ""), ("validation", "validation "), (told, f"{told} ")):
        metrics = entry.get(name) or {}
        loss, accuracy = metrics.get("loss"), metrics.get("accuracy")
        if loss is not None and accuracy is not None:
            parts.append(f"{title}loss {loss:.4g}, accuracy {accuracy:.2f} %")
    return "; ".join(parts)


class Tally:
    """Sums and counts over batches, kept on the device and divided once."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, correct, correct among five, samples
        self.classes = classes

    @torch.no_grad()
    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Add a batch; nothing waits for the device."""
        logits = logits.float()
        top = logits.topk(min(5, self.classes)).indices == labels[:, None]
        loss = F.cross_entropy(logits, labels, reduction="sum")
        count = torch.full_like(loss, len(labels))
        self.sums += torch.stack([loss, top[:, 0].sum(), top.sum(), count]).double()

    def numbers(self) -> tuple[str, ...]:
        """This process's loss and accuracy so far, for the line of progress; waits for the device."""
        loss, correct, _, count = self.sums.tolist()
        return (f"loss {loss / count:.3g}", f"accuracy {100 * correct / count:.1f} %") if count else ()

    def metrics(self, processes: Processes) -> SplitMetrics:
        """Means over all processes' samples; None for a loss that is not finite and for top-5 of under five classes."""
        *sums, count = processes.sum_(self.sums.clone()).tolist()
        loss, correct, among_five = (number / count for number in sums)
        return {
            "loss": loss if abs(loss) < float("inf") else None,
            "accuracy": 100 * correct,
            "top5": 100 * among_five if self.classes >= 5 else None,
        }
