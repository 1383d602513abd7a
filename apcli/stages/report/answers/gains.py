"""The answer to what pruning costs and gains: parameters, multiply-adds, bytes and time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apcli.records.checkpoint import CheckpointRecord, LatencyFacts
from apcli.stages.report.answers.answer import Answer
from apcli.stages.report.answers.contests import asked, contests
from apcli.stages.report.runs.experiment import Group, Run
from apcli.stages.report.runs.making import Made, made_of
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.words import UNKNOWN, percent
from apcli.words import count, few

QUESTION, ANCHOR = "What is gained?", "cost"
LITTLE = 0.05  # a share of the parameters: what lies in no more of them is not worth a compression
_SMALLER = 1.05  # times: a file that is smaller by less is as large


@dataclass(frozen=True)
class Pruned:
    """A trial, its described file, and the names of the layers that were pruned in it."""

    trial: Trial
    file: CheckpointRecord
    layers: tuple[str, ...]

    @property
    def whole(self) -> CheckpointRecord:
        """The file that holds the pruned layers in full: a compact one has lost a part, so its dense file if known."""
        dense = self.trial.dense_checkpoint
        return dense if dense is not None and dense.parameters != self.file.parameters else self.file

    @property
    def share(self) -> float:
        """The share of the parameters that lie in the pruned layers."""
        return sum(t.size for t in self.whole.tensors if t.layer in self.layers) / max(1, self.whole.parameters)

    @property
    def macs_share(self) -> float | None:
        """The share of the dense network's multiply-adds that lie in the pruned layers; None: not known."""
        of_layers, macs = [t.macs for t in self.whole.tensors if t.layer in self.layers], self.whole.macs
        if macs is None or not macs.dense_file or None in of_layers:
            return None
        return sum(each or 0 for each in of_layers) / macs.dense_file


def on_gains(group: Group) -> Answer | None:
    """What the method that keeps the accuracy best gains at the highest sparsity; None without runs."""
    if not group.runs:
        return None
    made = made_of(group)
    described = [run for run in _runs(group) if any(trial.checkpoint for trial in run.trials)]
    if not described:
        remedy = "Run the report where the files are, or give it what `apcli report FILE --json` prints of them too."
        return Answer(QUESTION, "Not known: none of the files is at hand.", UNKNOWN, remedy, ANCHOR)
    run = described[0]
    its = [one for one in made if one.run is run]
    files = [Pruned(one.trial, one.trial.checkpoint, one.pruned) for one in its if one.trial.checkpoint]
    if files[0].share <= LITTLE:
        return _little(made, files)
    number = _times([one.trial.compression for one in files])
    sentence = " ".join([_parameters(run, files), *_form([one.file for one in files])])
    return Answer(QUESTION, sentence, f"{number} ×" if number else UNKNOWN, _sureness(files), ANCHOR)


def _runs(group: Group) -> list[Run]:
    """The best run of each sparsity, the highest first; otherwise all, those that lost most first."""
    return [held.best for held in contests(group)] or sorted(group.runs, key=lambda run: -(run.sparsity or 0.0))


def _little(made: Sequence[Made], files: Sequence[Pruned]) -> Answer:
    """The answer where only a small part of the network was pruned."""
    (first, *_), layers = files, files[0].layers
    what = f"the last layer ({layers[0]})" if layers == (made[0].last,) else few(layers)
    macs = "" if first.macs_share is None else f" and {percent(first.macs_share)} of the multiply-adds"
    held = "It holds" if len(layers) == 1 else "They hold"
    share = percent(first.share)
    sentence = f"Only {what} was pruned. {held} {share} of the parameters{macs}: not more than that can be gained."
    return Answer(QUESTION, sentence, share, "Counted in the files.", ANCHOR)


def _parameters(run: Run, files: Sequence[Pruned]) -> str:
    """Parameters and multiply-adds of a run, compared with the dense network's."""
    dense = files[0].trial.dense_parameters
    at = "" if run.sparsity is None else f"At {asked(run)}, "
    kept = sum(one.file.kept for one in files) / len(files)
    fewer = _times([one.trial.compression for one in files])
    text = f"{at}{run.method} leaves {kept:,.0f}{'' if dense is None else f' of {dense:,}'} parameters"
    text += f" ({fewer} times fewer)" if fewer else ""
    faster = _times([one.file.macs.theoretical_speedup if one.file.macs else None for one in files])
    if faster:
        return f"{text} and, in theory, needs {faster} times fewer multiply-adds."
    return f"{text}; multiply-adds are not known."


def _form(files: Sequence[CheckpointRecord]) -> Iterator[str]:
    """Sentences on bytes and time."""
    smaller = [file.dense_bytes / file.bytes for file in files if file.dense_bytes]
    is_smaller = bool(smaller) and min(smaller) > _SMALLER
    if is_smaller:
        yield f"Its file is {_times(smaller)} times smaller."
    timed = [file.latency for file in files if file.latency and file.latency.speedup]
    if timed:
        yield f"Timed, it is {_times([one.speedup for one in timed])} times as fast."
    elif is_smaller:
        yield "How fast it is was not measured."
    elif smaller:
        yield "Its file is as large as the dense one, and it is no faster where zeros are multiplied as any number is."


def _sureness(files: Sequence[Pruned]) -> str:
    compressions = {_times([one.trial.compression]) for one in files} - {""}
    alike = "" if len(compressions) < 2 else f", {min(compressions, key=float)} to {max(compressions, key=float)} times"
    text = f"Counted in {count(len(files), 'file')}{alike}"
    timed = next((one.file.latency for one in files if one.file.latency), None)
    return f"{text}; {_timing(timed)}." if timed else f"{text}; time was not measured."


def _timing(latency: LatencyFacts) -> str:
    device = latency.device_name or f"{latency.device}, {count(latency.threads, 'thread')}"
    batch = count(latency.batch_size, "image")
    return f"timed by the median of {latency.runs} runs of {batch} ({device}, {latency.dtype})"


def _times(ratios: Sequence[float | None]) -> str:
    """The mean ratio with three digits; empty if none is known."""
    known = [ratio for ratio in ratios if ratio]
    return f"{sum(known) / len(known):.3g}" if known else ""
