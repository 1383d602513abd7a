"""Fuzz what reads the files of strangers: ``make fuzz``.

Usage: python tests/fuzz.py TARGET [-runs=N] [-max_total_time=SECONDS] [other options of libFuzzer]
       python tests/fuzz.py --coverage

Inputs are mutated under coverage (atheris) and by their structure (``fuzz_mutations``). An input is a finding if
reading it, and what the stages do afterwards (``fuzz_targets``), ends with anything but an error for people, takes over
a second of the processor, or memory beyond all reason. The corpus lies in ``.fuzz/TARGET``; how many inputs had a
header that parses is printed, and with ``--coverage`` which share of the readers' lines all corpora run together.
"""

import logging
import random
import resource
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path

try:
    import atheris
except ImportError:  # the mutations and the targets are tests without it
    atheris = None

# What is imported before is not instrumented: these import the readers too.
with nullcontext() if atheris is None else atheris.instrument_imports(include=["apcli.checkpoints", "apcli.records"]):
    import fuzz_lines
    import fuzz_mutations
    import fuzz_seeds
    import fuzz_targets
from apcli.checkpoints.files import safetensors_files
from apcli.errors import ApcliError

MOST_SECONDS, MOST_MEMORY = 1.0, 512 << 20  # of an input; and of the whole process beyond what it began with
_SAID_EVERY = 10_000  # executions


class Judge:
    """Runs a target, counts, and raises what is a finding."""

    def __init__(self, target: str) -> None:
        self.target, self.work = target, fuzz_targets.TARGETS[target]
        self.runs = self.refused = self.parsed = 0
        for content in [*fuzz_seeds.good(target), b"\x80"]:  # what they import, PyTorch for example, counts for nobody
            with suppress(ApcliError):
                self.work(content)
        self.before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def __call__(self, content: bytes) -> None:
        self.runs += 1
        self.parsed += self._parses(content)
        begun = time.process_time()
        try:
            self.work(content)
        except ApcliError:
            self.refused += 1
        taken = time.process_time() - begun
        assert taken < MOST_SECONDS, f"{taken:.1f} s"
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.before)
        assert grown < MOST_MEMORY, f"{grown >> 20} MiB more"
        if self.runs % _SAID_EVERY == 0:  # libFuzzer ends the process without a word to Python
            self.report()

    def _parses(self, content: bytes) -> bool:
        if self.target != "checkpoint":
            return False
        try:
            safetensors_files.parsed(content[8 : 8 + safetensors_files.length_of(content[:8])])
        except ValueError:
            return False
        return True

    def report(self) -> None:
        share = f", {100 * self.parsed / max(1, self.runs):.1f} % of the headers parse" if self.parsed else ""
        print(f"{self.target}: {self.runs:,} executions, {self.refused:,} refused{share}", file=sys.stderr)


def corpus(target: str) -> Path:
    """The folder of a target's inputs, with its seeds."""
    folder = Path(".fuzz") / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(fuzz_seeds.seeds(target)):
        if len(content) < fuzz_seeds.MOST:
            (folder / f"seed-{number}").write_bytes(content)
    return folder


def tell_coverage() -> None:
    inputs = {target: [path.read_bytes() for path in corpus(target).iterdir()] for target in fuzz_targets.TARGETS}
    missing = fuzz_lines.not_run({target: [*fuzz_seeds.seeds(target), *those] for target, those in inputs.items()})
    for (name, share), lines in zip(fuzz_lines.shares(missing).items(), missing.values(), strict=True):
        print(f"{name}: {100 * share:.1f} % of the lines", *(["without", *sorted(lines)] if lines else []))


def fuzz(target: str, options: list[str]) -> None:
    folder, judge, good = corpus(target), Judge(target), fuzz_seeds.good(target)

    def mutator(content: bytes, most: int, seed: int) -> bytes:
        draw = random.Random(seed)
        if draw.random() < 0.2:
            return bytes(atheris.Mutate(content, most))
        if draw.random() < 0.3:  # else most of the corpus would be what is refused at once
            content = draw.choice(good)
        return fuzz_mutations.mutated(content, draw)[:most]

    limits = [f"-max_len={fuzz_seeds.MOST}", "-timeout=300"]
    atheris.Setup([sys.argv[0], str(folder), *limits, *options], judge, custom_mutator=mutator)
    atheris.Fuzz()


def main() -> None:
    logging.getLogger("apcli").setLevel(logging.ERROR)  # what is not checked or passed over is said for each file
    fuzz_targets.offer_published()
    if sys.argv[1:] == ["--coverage"]:
        tell_coverage()
    else:
        fuzz(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    main()
