"""The compared files, and the kinds of record that tell of them."""

from apcli.stages.report.runs.experiment import Report
from apcli.stages.report.runs.trials import Trial, file_name
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

DIGITS = 12  # of a SHA-256


def files_table(report: Report) -> ReportTable:
    """A row for each file."""
    trials = [(run, trial) for group in report.groups for run in group.runs for trial in run.trials]
    listed = sorted(
        {
            (side, file_name(file), (file.sha256 or "")[:DIGITS], run.name if side == "pruned" else "", _seed(trial))
            for run, trial in trials
            for side, file in (("dense", trial.dense), ("pruned", trial.pruned))
            if file.path
        }
    )
    heads = ("role", "file", "SHA-256, first digits", "run", "seed")
    columns = [Column(head, tuple(row[place] or None for row in listed)) for place, head in enumerate(heads)]
    return table_of("files", "The compared files", columns, keys=3)


def _seed(trial: Trial) -> str:
    return "" if trial.seed is None else str(trial.seed)
