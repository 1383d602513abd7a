"""What is gained: parameters, multiply-adds, bytes and time of the pruned files beside their dense ones."""

from collections.abc import Callable

from apcli.records.checkpoint import CheckpointRecord, LatencyFacts
from apcli.stages.report.evidence.section import Section, means, named, replicated
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.tables.columns import table_of

Fact = Callable[[CheckpointRecord], float | None]


def cost(report: Report, group: Group) -> Section | None:
    """The section; None if no pruned file is known."""
    files = [t.checkpoint for run in group.runs for t in run.trials if t.checkpoint is not None]
    if not files:
        return None
    runs = group.runs
    columns = [
        *named(runs),
        means("left", runs, _kept, group="parameters", unit="%", decimals=1),
        means("compression", runs, lambda trial: trial.compression, group="parameters", unit="×"),
        means("left", runs, _of(_macs), group="MACs", unit="%", decimals=1),
        means("fewer", runs, _of(_speedup), group="MACs", unit="×"),
        means("left", runs, _of(_bytes), group="bytes", unit="%", decimals=1),
        means("median", runs, _of(_milliseconds), group="time", unit="ms"),
        means("faster", runs, _of(_faster), group="time", unit="×"),
        means("left", runs, _of(lambda c: c.kept / 1e3), group="parameters", unit="thousands", further=True),
        means("left", runs, _of(_nonzero_macs), group="MACs", unit="millions", further=True),
        means("left", runs, _of(lambda c: c.bytes / 1e6), group="bytes", unit="MB", further=True),
        *replicated(runs),
    ]
    table = table_of("cost", "Cost of every run", columns, "Ratios (×) are dense ÷ pruned.", keys=2)
    return Section(_sentences(files), (table,))


def _sentences(files: list[CheckpointRecord]) -> tuple[str, ...]:
    """What the numbers are counted over, and what they do not show."""
    known = [file.macs for file in files if file.macs is not None]
    sizes = sorted({"×".join(map(str, macs.input_size)) for macs in known})
    timed = [file.latency for file in files if file.latency is not None]
    lines = ["Parameters are those of the whole model, without buffers; those left are not zero."]
    if known:
        lines.append(
            f"MACs are counted for one image of {', '.join(sizes)}; those with a zero weight are left out, so the "
            "ratio is theory: a program that multiplies by zero saves nothing."
        )
    if not timed:
        lines.append("No time was measured: `apcli report FILE --latency --json` does.")
    return (*lines, *dict.fromkeys(map(_timed, timed)))


def _timed(latency: LatencyFacts) -> str:
    device = latency.device_name or latency.device
    measured = f"{latency.runs} runs on {device}, {latency.batch_size} images at a time"
    return f"Times are medians of {measured}; {latency.note}."


def _of(fact: Fact) -> Callable[[Trial], float | None]:
    return lambda trial: None if trial.checkpoint is None else fact(trial.checkpoint)


def _kept(trial: Trial) -> float | None:
    dense = trial.dense_parameters
    return 100 * trial.checkpoint.kept / dense if trial.checkpoint and dense else None


def _macs(file: CheckpointRecord) -> float | None:
    return 100 * file.macs.nonzero / file.macs.dense_file if file.macs and file.macs.dense_file else None


def _speedup(file: CheckpointRecord) -> float | None:
    return file.macs.theoretical_speedup if file.macs else None


def _nonzero_macs(file: CheckpointRecord) -> float | None:
    return file.macs.nonzero / 1e6 if file.macs else None


def _bytes(file: CheckpointRecord) -> float | None:
    return 100 * file.bytes / file.dense_bytes if file.dense_bytes else None


def _milliseconds(file: CheckpointRecord) -> float | None:
    return 1e3 * file.latency.median if file.latency else None


def _faster(file: CheckpointRecord) -> float | None:
    return file.latency.speedup if file.latency else None
