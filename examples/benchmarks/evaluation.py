"""Evaluation on a CPU: the batch that apcli chooses beside four training batches of 128 at a time, in one run.

Usage: python examples/benchmarks/evaluation.py [--images N] [--rounds N] [--only NAME]

Shown are processor seconds, user and system, the least of all rounds, and the ratio of their sums. System seconds are
page faults: memory that malloc gave back and takes anew for every large tensor. The two take turns, so that a noisy
minute falls on both; seconds of the processor, not of the clock, since other programs may hold the cores.
"""

import argparse
import resource

import torch

from apcli.data.image_spec import ImageSpec
from apcli.models.build import build, resolve
from apcli.probes.batch_size import images_at_once
from apcli.training.forward import Forward

MODELS = ("resnet20", "resnet56", "torchvision:resnet18", "torchvision:resnet50", "torchvision:vgg16")
MOST = 4 * 128


def seconds(forward: Forward, images: torch.Tensor, size: int) -> tuple[float, float]:
    """User and system seconds for a forward pass of all images, ``size`` at a time."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    with torch.no_grad():
        for batch in images.split(size):
            forward(batch)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024, help="of 32 x 32 pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", metavar="NAME", help="models whose name holds this")
    given = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {given.images} images\n")
    print(f"| user + system s | batch | apcli | batches of {MOST} | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name in MODELS:
        if given.only not in name:
            continue
        spec = resolve(name, ImageSpec((3, 32, 32), 10, (0.5,), (0.25,)))
        torch.manual_seed(0)
        forward = Forward(build(spec), spec)
        forward.network.eval()
        images = torch.randn(given.images, *spec.input_size)
        size = images_at_once(forward, spec.input_size, forward.device, MOST)
        taken: dict[int, list[tuple[float, float]]] = {size: [], MOST: []}
        for _ in range(given.rounds):
            for batch, found in taken.items():
                found.append(seconds(forward, images, batch))
        ours, large = (min(found, key=sum) for found in (taken[size], taken[MOST]))
        print(
            f"| {name} | {size} | {ours[0]:.2f} + {ours[1]:.2f} | {large[0]:.2f} + {large[1]:.2f} | "
            f"{sum(ours) / sum(large):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
