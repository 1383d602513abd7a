"""Checks that need a GPU, in about ten minutes: a line for each, and exit code 1 if one fails.

Usage: python examples/gpu_check.py [--device cuda] [--only NAME]      (or: make gpu-check)

A step from a CUDA graph must give the bytes of one launched kernel by kernel, whole batches must be captured, a resumed
run must go on as if it had not been stopped, no step may wait for the device, and so on. Each check is a process of its
own, since a failed capture can leave one unusable. With --device cpu it is a dry run: the same code, but for what asks
CUDA itself; it shows that the checks run, not that CUDA works.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from apcli.configs.shared import InputConfig
from apcli.configs.training import LoopConfig
from apcli.criteria.movement import movement
from apcli.data.datasets import Dataset, Split, load
from apcli.data.image_spec import ImageSpec
from apcli.devices import device_of
from apcli.models.build import build, resolve
from apcli.models.spec import ModelSpec
from apcli.theory import MEASURES
from apcli.theory.distributions.shifts import Shift
from apcli.theory.distributions.student_t import StudentTPair
from apcli.theory.sampling import monte_carlo
from apcli.training import loop
from apcli.training.captured import Captured
from apcli.training.evaluation import evaluate
from apcli.training.forward import Forward
from apcli.training.loop import Setup, Training
from apcli.training.masking import Masking, Ramp
from apcli.training.optim.parameters import parameters_of
from apcli.training.recipe import recipe_of
from apcli.training.resume import Resume

SECONDS = 240  # for a check
DRY = "asks CUDA itself: not in a dry run"
CASES: dict[str, dict[str, Any]] = {
    "sgd": {},
    "nesterov, weights decay": {"opt": "sgd:nesterov=1", "decay": "weights", "weight_decay": 1e-4},
    **{opt: {"opt": opt, "lr": 0.001} for opt in ("adam", "adamw", "nadam", "radam", "adamax", "adadelta", "rmsprop")},
    "adagrad": {"opt": "adagrad", "lr": 0.01},
    "clip, ema, smoothing": {"clip_grad": 1.0, "ema": 0.99, "label_smoothing": 0.1},
    "mixup and cutmix": {"mixup": 0.2, "cutmix": 1.0, "warmup_epochs": 1.0},
    "teacher": {"teacher": True},
    "float32": {"amp": False},
    "growing masks": {"growing": None, "ema": 0.9},
    "movement": {"growing": movement},
    "random-resized-crop": {"augment": "random-resized-crop:scale=0.5,flip"},
    "policies and erasing": {"augment": "auto-augment,rand-augment,trivial-augment,random-erasing"},
    "pieces, layer decay": {"accumulate": 3, "layer_decay": 0.8},
    "l1": {"l1": 1e-3, "ema": 0.99},
    "l1 by its subgradient": {"l1": 1e-3, "l1_form": "subgradient", "opt": "adam", "lr": 0.001},
    "dropout": {"name": "torchvision:alexnet", "size": 64, "lr": 0.01},
    "one-cycle": {"sched": "one-cycle"},
}


class Counting(Captured):
    """Counts the calls of each size by how they ran: uncaptured, or from a graph."""

    calls: ClassVar[Counter[tuple[str, int]]] = Counter()

    def __call__(self, *inputs: Tensor) -> None:
        super().__call__(*inputs)
        shapes = tuple(given.shape for given in inputs)
        Counting.calls["graph" if shapes in self._recorded else "as it is", len(inputs[0])] += 1


class Check:
    """The checks, each a method that reports its result; ``where`` is the device."""

    def __init__(self, device: str) -> None:
        self.where = device_of(device)
        self.cuda = self.where.type == "cuda"
        self.failed = False
        loop.Captured = Counting

    def say(self, fine: bool, what: str, detail: object = "") -> None:
        self.failed |= not fine
        print(f"{'ok ' if fine else 'BAD'} {what}{': ' if str(detail) else ''}{detail}"[:200], flush=True)

    def _data(self) -> Dataset:
        """The digits; a few of them in a dry run."""
        digits = load("digits", Path())
        if not self.cuda:
            few = torch.arange(180)
            digits = replace(digits, train=digits.train.subset(few), test=digits.test.subset(few[:20]))
        return digits.to(self.where)

    def training(
        self,
        name: str = "resnet20",
        *,
        size: int | None = None,
        data: Dataset | None = None,
        growing: Any = False,
        teacher: bool = False,
        resume: Path | None = None,
        **config: Any,
    ) -> Training:
        data = data or self._data()
        spec = resolve(name, data.images, InputConfig(input_size=size))
        torch.manual_seed(0)
        network = build(spec).to(self.where)
        config = {"epochs": 2, "batch_size": 64, "lr": 0.05, "teacher": "file" if teacher else None, **config}
        return Training(
            network,
            Setup(
                *(spec, data, recipe_of(LoopConfig(**config), spec, data, self.where), 0),
                teacher=build(spec).to(self.where) if teacher else None,
            ),
            masking=None if growing is False else self._growing(Forward(network, spec).network, growing),
            resume=Resume(resume, {}, 1.0) if resume else None,
        )

    def trained(self, *args: Any, **how: Any) -> Training:
        Counting.calls.clear()
        training = self.training(*args, **how)
        list(training.run())
        return training

    def _growing(self, network: nn.Module, learn: Any) -> Masking:
        weights = {name: weight for name, weight in parameters_of(network).items() if weight.dim() > 1}
        removed = {name: weight.detach() == 0 for name, weight in weights.items()}
        return Masking(weights, removed, [Ramp(tuple(weights), {3: 5000, 9: 40000, 20: 90000})], learn)

    # ---- the checks

    def devices(self) -> None:
        """Each name gives a numbered device, on which float32 has full precision."""
        for name in ("auto", "cuda") if self.cuda else ("cpu",):
            found = device_of(name)
            self.say(found.index is not None or not self.cuda, f"--device {name}", found)
        both = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        self.say(not any(both) or not self.cuda, "TF32 is off", both)

    def graphs(self) -> None:
        """A run from a graph gives the bytes and the history of an uncaptured one."""
        for label, how in CASES.items():
            one = self.trained(**how)
            calls = Counting.calls["graph", 64]
            other = self.trained(**how, cuda_graph=False)
            fine = (calls > 0) == (label not in ("adagrad", "one-cycle")) or not self.cuda
            same = one.history == other.history
            self.say(difference(one, other) == 0 and same and fine, f"graph = eager, {label}", f"{calls} from a graph")

    def parts(self) -> None:
        """Three whole batches and a part make an epoch: both are captured, and give what eager steps give."""
        how = {"epochs": 6, "batch_size": 400 if self.cuda else 50}
        one = self.trained(**how)
        calls = dict(Counting.calls)
        eager = [count for (kind, _), count in calls.items() if kind == "as it is"]
        self.say(max(eager) == 3 or not self.cuda, "each shape is captured after three calls", calls)
        self.say(difference(one, self.trained(**how, cuda_graph=False)) == 0, "graphs that share memory = eager")

    def resumed(self) -> None:
        """A stopped run resumes to the same bytes, even if no graph ran before."""
        cases = {"sgd": {}, "adam": {"opt": "adam", "lr": 0.001}, "movement": {"growing": movement}}
        plain, folder = loop.optimiser_of, Path(tempfile.mkdtemp())
        for label, how in cases.items():
            for saved in ("from a graph", "by several processes"):
                path = folder / f"{label} {saved}.safetensors"
                if saved != "from a graph":  # whose optimisers are built otherwise
                    loop.optimiser_of = lambda network, recipe, captured: plain(network, recipe, captured=False)
                stopped = self.training(**how, epochs=3, resume=path)
                epochs = stopped.run()
                next(epochs)
                stopped.save()
                epochs.close()
                loop.optimiser_of = plain
                rest = self.trained(**how, epochs=3, resume=path)
                eager = {} if saved == "from a graph" else {"cuda_graph": False, "resume": path}
                off = difference(rest, self.trained(**how, epochs=3, **eager))
                self.say(off == 0, f"{label} goes on, saved {saved}", f"largest difference {off:.2g}")

    def waits(self) -> None:
        """No line waits for the device in every step."""
        if not self.cuda:
            self.say(True, "waits", DRY)
            return
        training = self.training(epochs=3, eval_every=100)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            list(training.run())
        torch.cuda.set_sync_debug_mode("default")
        lines = Counter(f"{Path(w.filename).name}:{w.lineno}" for w in told if "synchronizing" in str(w.message))
        often = max(lines.values(), default=0)
        self.say(often < 23, "no line waits in each of an epoch's 23 steps", lines.most_common(5))

    def memory(self) -> None:
        """A graph needs little more memory than eager steps, and neither grows by the epoch."""
        if not self.cuda:
            self.say(True, "memory", DRY)
            return
        peaks = []
        for graph in (False, None):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            training = self.training(size=32, epochs=8, batch_size=512, cuda_graph=graph, eval_every=100)
            by_epoch = [torch.cuda.memory_reserved() >> 20 for _ in training.run()]
            peaks.append(torch.cuda.max_memory_reserved() >> 20)
            self.say(by_epoch[-1] <= 1.2 * max(by_epoch[:4]), "memory does not grow", f"{by_epoch} MiB by epoch")
            del training
        self.say(peaks[1] <= 1.3 * peaks[0], "a graph's memory", f"{peaks[1]} MiB, eager steps {peaks[0]} MiB")

    def waiting(self) -> None:
        """A network whose step cannot be captured trains anyway, and torch still works afterwards."""
        data = self._data()
        spec = ModelSpec("net.py:net", "user", 10, (3, 8, 8), (0.5,) * 3, (0.25,) * 3)
        norm = nn.BatchNorm2d(16, momentum=None)  # reads how many batches it saw
        layers = nn.Conv2d(3, 16, 3), norm, nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(576, 10)
        network = nn.Sequential(*layers).to(self.where)
        recipe = recipe_of(LoopConfig(epochs=2, batch_size=64, lr=0.05), spec, data, self.where)
        training = Training(network, Setup(spec, data, recipe, 0))
        list(training.run())
        if self.cuda:
            torch.cuda.empty_cache()
        drawn = torch.rand(4, device=self.where)
        self.say(training.epoch == 2 and bool(drawn.isfinite().all()), "a step that waits is not captured")

    def precision(self) -> None:
        """Evaluation in float32 differs from float64 by float32's rounding."""
        spec = resolve("torchvision:resnet18", ImageSpec((3, 64, 64), 10, (0.5,), (0.2,)))
        torch.manual_seed(0)
        network = build(spec).to(self.where).eval()
        images = torch.randn(8, 3, 64, 64, device=self.where)
        with torch.no_grad():
            single = network(images).double().log_softmax(1)
            double = network.double()(images.double()).log_softmax(1)
        off = float((single - double).abs().max())
        self.say(off < 1e-5, "log p in float32", f"off by {off:.1g}; TF32 would be by 1e-3")

    def repeats(self) -> None:
        """Two runs give the same bytes."""
        for name, size in (("resnet20", None), ("torchvision:alexnet", 64), ("torchvision:vgg11", 32)):
            one, other = (self.trained(name, size=size, epochs=1, lr=0.01, eval_every=100) for _ in range(2))
            self.say(difference(one, other) == 0, f"{name} twice", f"largest difference {difference(one, other):.2g}")

    def places(self) -> None:
        """Images in main memory give the same numbers as on the device."""
        data = self._data()
        train = data.train
        assert isinstance(train, Split)
        rows = None if train.rows is None else train.rows.cpu()
        host = replace(data, train=replace(train, images=train.images.cpu(), rows=rows))
        one, other = (self.trained(data=some) for some in (data, host))
        self.say(difference(one, other) == 0, "images on the device = images beside it")

    def evaluation(self) -> None:
        """Evaluation on the CPU of a machine with CUDA counts every image, as on the device."""
        images = torch.randint(0, 256, (4000, 3, 8, 8), dtype=torch.uint8)
        split = Split(images, torch.arange(4000) % 10)
        data = Dataset("noise", split, split, 10, (0.5,), (0.25,), "none")
        spec = resolve("fc5", ImageSpec((3, 8, 8), 10, (0.5,), (0.25,)))
        network = build(spec)
        beside = evaluate(Forward(network, spec), data, 16)["train"]
        there = evaluate(Forward(network.to(self.where), spec), data.to(self.where), 16)["train"]
        fine = abs(beside["loss"] / there["loss"] - 1) < 1e-5
        self.say(fine, "evaluation on the CPU", f"loss {beside['loss']:.6f}, there {there['loss']:.6f}")

    def draws(self) -> None:
        """Monte Carlo on the device agrees with the exact value."""
        pair = StudentTPair(Shift.of_one_scale(0.5, 1000), 4.0, 4.0)
        start = time.perf_counter()
        found = monte_carlo.estimate(pair, MEASURES.parse("kl"), 2_000_000, 1, 0, str(self.where))
        off = (found.value - pair.kl()) / found.std_error
        self.say(abs(off) < 5, "Monte Carlo", f"{off:+.1f} standard errors off, {time.perf_counter() - start:.1f} s")

    def exhausted(self) -> None:
        """Running out of memory is reported as such."""
        if not self.cuda:
            self.say(True, "out of memory", DRY)
            return
        torch.cuda.set_per_process_memory_fraction(0.02)
        try:
            self.trained("torchvision:resnet50", size=224, batch_size=512, epochs=1)
        except torch.OutOfMemoryError as error:
            self.say(True, "out of memory", str(error)[:60])
        else:
            self.say(False, "out of memory", "it fitted")

    def pipeline(self) -> None:
        """The same command gives the same bytes; divergences equal those of the CPU."""
        folder = Path(tempfile.mkdtemp())
        epochs = "4" if self.cuda else "1"

        def apcli(*words: str) -> str:
            command = [sys.executable, "-m", "apcli", *words]
            return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout

        device = "--device", str(self.where)
        for name in ("a", "b"):
            apcli("train", "resnet20", "--epochs", epochs, *device, "-o", f"{name}.safetensors")
        one, other = ((folder / f"{name}.safetensors").read_bytes() for name in ("a", "b"))
        self.say(one == other, "the same command gives the same bytes")
        apcli("prune", "a.safetensors", "--sparsity", "0.5", "-o", "p.safetensors")
        apcli("finetune", "p.safetensors", "--epochs", "1", "--ema", "0.9", "--teacher", "dense", *device)
        found = []
        for where in (str(self.where), "cpu"):
            words = ["--dist", "predictive,gaussian:cov=fisher", "--level", "network", "--images", "50", "--json"]
            lines = apcli("divergence", "a.safetensors", "p.safetensors", *words, "--device", where).splitlines()
            found.append([float(line.partition('"value":')[2].split(",")[0]) for line in lines])
        off = max(abs(a / b - 1) for a, b in zip(*found, strict=True))
        self.say(off < 1e-3, "divergences are those of the CPU", f"largest relative difference {off:.2g}")


def difference(one: Training, other: Training) -> float:
    """The largest difference of two runs' results, over all their tensors."""
    states = (training.evaluated.network.state_dict() for training in (one, other))
    return max(float((a.double() - b.double()).abs().max()) for a, b in zip(*map(dict.values, states), strict=True))


CHECKS = [name for name, found in vars(Check).items() if not name.startswith("_") and getattr(found, "__doc__", None)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=CHECKS, help="one check, in this process")
    given = parser.parse_args()
    if given.only:
        check = Check(given.device)
        getattr(check, given.only)()
        return int(check.failed)
    failed = []
    for name in CHECKS:
        command = [sys.executable, __file__, "--device", given.device, "--only", name]
        try:
            run = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
            code, last = run.returncode, [line for line in run.stderr.splitlines() if line.strip()][-1:]
        except subprocess.TimeoutExpired:
            code, last = 1, [f"took more than {SECONDS} s"]
        if code:
            failed.append(name)
            print(f"BAD {name}: exit code {code}: {''.join(last)[:160]}", flush=True)
    named = f"; failed: {', '.join(failed)}" if failed else ""
    print(f"{len(CHECKS) - len(failed)} of {len(CHECKS)} checks passed on {given.device}{named}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
