"""What a section of evidence holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apcli.stages.report.comparisons.estimates import estimate_of
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.runs.trials import Trial
from apcli.stages.report.tables.columns import Column, ReportTable


@dataclass(frozen=True)
class Shown:
    """An image that a page shows: PNG in base64, and what it is."""

    png: str
    caption: str


@dataclass(frozen=True)
class Section:
    """Sentences and tables; ``details`` are tables that a page folds.

    ``images`` stand on a page alone, below a line ``images_are``.
    """

    sentences: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    details: tuple[ReportTable, ...] = ()
    images: tuple[Shown, ...] = ()
    images_are: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.sentences or len_of(self.tables) or len_of(self.details) or self.images)


def len_of(tables: Sequence[ReportTable]) -> int:
    """The number of rows of all tables."""
    return sum(map(len, tables))


def named(runs: Sequence[Run]) -> tuple[Column, ...]:
    """The columns that tell runs apart: the method, the sparsity, and the share asked for where that differs."""
    asked = tuple(run.requested for run in runs)
    sparsities = tuple(run.sparsity for run in runs)
    columns = (Column("method", tuple(run.method for run in runs)), exactly("sparsity", sparsities))
    return columns if asked == sparsities else (*columns, exactly("asked for", asked))


def exactly(name: str, numbers: Sequence[float | None], further: bool = False) -> Column:
    """A column of numbers that were chosen: with as many decimals as they have, at most four."""
    texts = [f"{number:.4f}".rstrip("0") for number in numbers if number is not None]
    decimals = max((len(text.partition(".")[2]) for text in texts), default=0)
    return Column(name, tuple(numbers), decimals=decimals, further=further)


def replicated(runs: Sequence[Run]) -> tuple[Column, ...]:
    """How many dense networks a mean was made of, and how many files if there are more."""
    networks, files = tuple(len(run.networks) for run in runs), tuple(len(run.trials) for run in runs)
    columns = (Column("dense networks", networks), Column("files", files))
    return columns[:1] if networks == files else columns


def means(
    name: str, runs: Sequence[Run], value: Callable[[Trial], float | None], *, group: str = "", unit: str = "",
    decimals: int | None = None, further: bool = False,
) -> Column:  # fmt: skip
    """A column of the runs' means, with their sd over dense networks, or over the seeds of the only one.

    There is one decimal more if an sd would be zero without it; sds that all would be zero with it are left out.
    """
    found = [estimate_of(run, value) for run in runs]
    spread = tuple(None if estimate is None else estimate.sd for estimate in found)
    if decimals is not None:
        last = 0.5 * 10**-decimals
        if all(not sd or sd < last / 10 for sd in spread):
            spread = ()
        elif any(sd and sd < last for sd in spread):
            decimals += 1
    return Column(
        name,
        tuple(None if estimate is None else estimate.mean for estimate in found),
        group,
        unit,
        spread if any(spread) else (),
        decimals=decimals,
        further=further,
    )
