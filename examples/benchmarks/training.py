"""Images per second of training: a plain PyTorch loop, apcli's loop, and the bare step, side by side in one run.

Usage: python examples/benchmarks/training.py [--quick] [--rounds N] [--only NAME] [--device NAME]

The plain loop is the tutorials': a DataLoader with workers that crop, flip and normalise PIL images, and a step in
float32, with torch's default layout and optimiser. The bare step is the floor: forward, backward and optimiser on one
batch that never changes, channels-last, with a fused optimiser, in the same precision as ours and on CUDA from a
CUDA graph. Ours is what `apcli train` runs, with its augmentation, its masks and its running accuracy. The three take
turns, so that a noisy minute falls on all of them; shown are the medians, and the ratios of the medians.

Goals: on two CPU cores, ResNet-20: 0.95 of its own floor, 1.2 times the plain loop in float32 and 2 times with --amp.
On an H200: 0.95 of the floor; 3.5 times the plain loop for ResNet-50 and 4.5 times for VGG-16 at 32 x 32, 1.9 times at
224 x 224. Images are noise: their content does not change the work.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from apcli.configs.shared import InputConfig
from apcli.configs.training import LoopConfig
from apcli.data.datasets import Dataset, Split
from apcli.data.image_spec import ImageSpec
from apcli.devices import device_of
from apcli.models.build import build, resolve
from apcli.training.captured import Captured
from apcli.training.loop import Setup, Training
from apcli.training.recipe import recipe_of

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
WARM = 5  # steps of each turn that do not count: workers start, kernels are chosen, graphs recorded


@dataclass(frozen=True)
class Case:
    model: str
    size: int
    amp: bool
    batch: int = 128
    steps: int = 20

    @property
    def label(self) -> str:
        return f"{self.model} {self.size} x {self.size}{', bfloat16' if self.amp else ''}"


ON_CPU = [
    Case("resnet20", 32, False),
    Case("resnet20", 32, True),
    Case("torchvision:resnet50", 32, False, steps=4),
    Case("torchvision:resnet50", 32, True, steps=4),
    Case("torchvision:vgg16", 32, False, steps=4),
    Case("torchvision:vgg16", 32, True, steps=4),
    Case("torchvision:alexnet", 64, False, steps=10),
    Case("torchvision:alexnet", 64, True, steps=10),
]
ON_CUDA = [
    Case("resnet20", 32, True, steps=200),
    Case("torchvision:resnet50", 32, True, steps=100),
    Case("torchvision:vgg16", 32, True, steps=100),
    Case("torchvision:alexnet", 64, True, steps=100),
    Case("torchvision:resnet50", 224, True, steps=50),
]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


class Over(Exception):
    """Raised after the last step."""


class Stopwatch:
    """Stands in for the loop's line of progress: times the steps after the first few, then ends the run."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self.case, self.device = case, device
        self.count, self.start = 0, 0.0

    def step(self, epoch: int, share: float, images: int) -> None:
        self.count += 1
        if self.count in (WARM, WARM + self.case.steps):
            wait(self.device)
        if self.count == WARM:
            self.start = time.perf_counter()
        elif self.count == WARM + self.case.steps:
            raise Over

    def rate(self) -> float:
        return self.case.batch * self.case.steps / (time.perf_counter() - self.start)


def spec_of(case: Case) -> Any:
    shape = (3, case.size, case.size)
    return resolve(case.model, ImageSpec(shape, 10, MEAN, STD), InputConfig(input_size=case.size))


class Noise:
    """PIL images as from torchvision's CIFAR, augmented as in its reference recipe."""

    def __init__(self, case: Case, count: int) -> None:
        pixels = torch.randint(0, 256, (64, case.size, case.size, 3), dtype=torch.uint8).numpy()
        self.images = [Image.fromarray(image) for image in pixels]
        self.count = count
        self.change = transforms.Compose(
            [
                transforms.RandomCrop(case.size, padding=case.size // 8),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.change(self.images[index % 64]), index % 10


def plain(case: Case, device: torch.device, workers: int) -> Callable[[], float]:
    """The loop of the tutorials."""
    model = build(spec_of(case)).to(device).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    pinned = device.type == "cuda"
    images = Noise(case, case.batch * (WARM + case.steps))
    loader = DataLoader(
        images, case.batch, shuffle=True, num_workers=workers, pin_memory=pinned, persistent_workers=workers > 0
    )

    def turn() -> float:
        for step, (batch, labels) in enumerate(loader):
            if step == WARM:
                wait(device)
                start = time.perf_counter()
            logits = model(batch.to(device, non_blocking=True))
            loss = F.cross_entropy(logits, labels.to(device, non_blocking=True))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        wait(device)
        return case.batch * case.steps / (time.perf_counter() - start)

    return turn


def ours(case: Case, device: torch.device) -> Callable[[], float]:
    """`apcli train`'s loop, with the default augmentation of CIFAR."""
    spec = spec_of(case)
    count = case.batch * (WARM + case.steps)
    images = torch.randint(0, 256, (count, 3, case.size, case.size), dtype=torch.uint8)
    one = Split(images[:1], torch.zeros(1, dtype=torch.int64))
    augment = f"crop:padding={case.size // 8},flip"
    train = Split(images, torch.arange(count) % 10)
    dataset = Dataset("noise", train, one, 10, MEAN, STD, augment).to(device)
    config = LoopConfig(epochs=1, batch_size=case.batch, lr=0.01, amp=case.amp)
    network = build(spec).to(device)

    def turn() -> float:
        watch: Any = Stopwatch(case, device)
        recipe = recipe_of(config, spec, dataset, device)
        training = Training(network, Setup(spec, dataset, recipe, 0), pace=watch)
        with suppress(Over):
            list(training.run())
        return watch.rate()

    return turn


def bare(case: Case, device: torch.device) -> Callable[[], float]:
    """The step alone, on one batch."""
    model = build(spec_of(case)).to(device).to(memory_format=torch.channels_last).train()
    rate = torch.tensor(0.01, device=device) if device.type == "cuda" else 0.01
    optimiser = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, fused=True)
    images = torch.randn(case.batch, 3, case.size, case.size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(case.batch, device=device) % 10

    def once(images: torch.Tensor, labels: torch.Tensor) -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=case.amp, cache_enabled=False):
            logits = model(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimiser.step()

    step = Captured(once, enabled=device.type == "cuda")

    def turn() -> float:
        for _ in range(WARM):
            step(images, labels)
        wait(device)
        start = time.perf_counter()
        for _ in range(case.steps):
            step(images, labels)
        wait(device)
        return case.batch * case.steps / (time.perf_counter() - start)

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of few steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="NAME", help="cases whose label holds this")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=2, help="of the plain loop's DataLoader")
    given = parser.parse_args()
    device = device_of(given.device, deterministic=False)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {device}\n")
    print("| images/s | plain | apcli | bare step | apcli / plain | apcli / bare |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in ON_CUDA if device.type == "cuda" else ON_CPU:
        if given.only not in case.label:
            continue
        turns = {"plain": plain(case, device, given.workers), "ours": ours(case, device), "bare": bare(case, device)}
        rates: dict[str, list[float]] = {name: [] for name in turns}
        for _ in range(1 if given.quick else given.rounds):
            for name, turn in turns.items():
                rates[name].append(turn())
        plain_, ours_, bare_ = (statistics.median(found) for found in rates.values())
        print(
            f"| {case.label} | {plain_:,.0f} | {ours_:,.0f} | {bare_:,.0f} | {ours_ / plain_:.2f} | "
            f"{ours_ / bare_:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
