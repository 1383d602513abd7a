"""Test accuracy of apcli's loop and of a plain PyTorch loop by the same recipe, seed by seed.

Usage: python examples/benchmarks/parity.py --data-dir DIR [--images N] [--epochs N] [--seeds N]

ResNet-20 on the first N training images of CIFAR-10 and all test images: SGD with momentum 0.9, weight decay 1e-4,
rate 0.1 by half a cosine, batches of 128, crops of images padded by 4, mirrored by half. The plain loop is the
tutorials'; ours is run in float32 and with --amp. What should be seen: the means differ by less than the seeds do.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import CIFAR10

from apcli.checkpoints.reading import read
from apcli.configs.shared import DataConfig
from apcli.configs.training import LoopConfig, ModelConfig, TrainConfig
from apcli.data.datasets import Dataset
from apcli.data.image_spec import ImageSpec
from apcli.devices import device_of
from apcli.models.build import build, resolve
from apcli.progress import Progress
from apcli.stages import train as stage
from apcli.stages.outputs import Outputs

LR, DECAY, BATCH = 0.1, 1e-4, 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


def plain(given: argparse.Namespace, seed: int, device: torch.device) -> float:
    torch.manual_seed(seed)
    scale = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    change = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *scale]
    images = Subset(CIFAR10(given.data_dir, True, transforms.Compose(change)), range(given.images))
    tests = CIFAR10(given.data_dir, False, transforms.Compose(scale))
    spec = resolve("resnet20", ImageSpec((3, 32, 32), 10, MEAN, STD))
    model = build(spec).to(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, given.epochs)
    for _ in range(given.epochs):
        model.train()
        for batch, labels in DataLoader(images, BATCH, shuffle=True, num_workers=2):
            optimiser.zero_grad()
            F.cross_entropy(model(batch.to(device)), labels.to(device)).backward()
            optimiser.step()
        schedule.step()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in DataLoader(tests, 1000))
    return 100 * right / len(tests)


def ours(given: argparse.Namespace, seed: int, device: torch.device, amp: bool) -> float:
    config = TrainConfig(
        ModelConfig("resnet20"),
        DataConfig("cifar10", given.data_dir),
        LoopConfig(given.epochs, lr=LR, weight_decay=DECAY, eval_every=given.epochs, amp=amp, device=str(device)),
        seeds=(seed,),
    )
    with tempfile.TemporaryDirectory() as folder:
        (path,) = stage.train(config, Outputs(Path(folder)), Progress())
        accuracy: float = read(path).lineage.metrics["test"]["accuracy"]
    return accuracy


def first_images(count: int) -> None:
    """Limit the stage to the first ``count`` training images."""
    load: Callable[..., Dataset] = stage.load

    def fewer(*arguments: object, **options: object) -> Dataset:
        whole = load(*arguments, **options)
        return replace(whole, train=whole.train.subset(torch.arange(count)))

    stage.load = fewer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    device = device_of("auto")
    first_images(given.images)
    loops = {
        "plain": lambda seed: plain(given, seed, device),
        "apcli --no-amp": lambda seed: ours(given, seed, device, False),
        "apcli --amp": lambda seed: ours(given, seed, device, True),
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    print("| seed | loop | test accuracy | s |\n| --- | --- | --- | --- |")
    for seed in range(given.seeds):
        for name, loop in loops.items():
            start = time.perf_counter()
            found[name].append(loop(seed))
            print(f"| {seed} | {name} | {found[name][-1]:.2f} | {time.perf_counter() - start:.0f} |", flush=True)
    for name, accuracies in found.items():
        spread = statistics.stdev(accuracies) if len(accuracies) > 1 else float("nan")
        print(f"{name}: mean {statistics.mean(accuracies):.2f}, standard deviation {spread:.2f}")


if __name__ == "__main__":
    main()
