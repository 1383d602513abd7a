"""Draw the pictures of a report, with captions and file names, and say which figures have nothing to show."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from apcli.configs.report import MEASURED, PUBLISHED
from apcli.figures import FIGURES, FigureRow
from apcli.figures.canvas.colors import Look, looks
from apcli.figures.canvas.marks import Drawing, Missing
from apcli.figures.canvas.panels import NARROW
from apcli.figures.canvas.svg import element
from apcli.figures.study import Study
from apcli.stages.report.comparisons.behaviour import behaved
from apcli.stages.report.drawing.layers import pruned_each
from apcli.stages.report.drawing.published import SCALED, on_published_scale
from apcli.stages.report.drawing.studies import study_of
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.labels import is_control, label_of
from apcli.words import few


@dataclass(frozen=True)
class Picture:
    """A drawn figure of a group.

    Attributes:
        name: of its file, without suffix, unique in the report; it consists of letters, digits, dots and dashes.
        caption: sentences; what the figure is called is ``title``.
        narrow: the same for narrow screens; None: they scroll.
    """

    group: Group
    row: FigureRow
    name: str
    caption: str
    drawing: Drawing
    narrow: Drawing | None = None

    @property
    def title(self) -> str:
        return self.drawing.title

    @property
    def section(self) -> str:
        """The part of the page where the picture stands."""
        return self.row.section

    @property
    def element(self) -> str:
        """The ``<svg>`` element for a page that declares ``colors.variables``; its identifiers begin with ``name``."""
        return element(self.drawing, self.name)

    @property
    def narrow_element(self) -> str:
        """The same for narrow screens; empty without."""
        return "" if self.narrow is None else element(self.narrow, f"{self.name}-narrow")


@dataclass(frozen=True)
class MissingPicture:
    """A figure that a group's records do not give, and why, in one line."""

    group: Group
    row: FigureRow
    reason: str

    @property
    def section(self) -> str:
        return self.row.section


@dataclass(frozen=True)
class Pictures:
    """All figures of a report, in the order of their table, group by group; ``scale`` is one of ``SCALES``."""

    drawn: tuple[Picture, ...]
    missing: tuple[MissingPicture, ...]
    scale: str = MEASURED

    def reasons(self, group: Group) -> list[str]:
        """A line for each reason for which figures of a group are missing."""
        titles: dict[str, list[str]] = {}
        for figure in self.missing:
            if figure.group is group:
                titles.setdefault(figure.reason, []).append(f"“{figure.row.title}”")
        return [f"No {few(names)}: {reason}." for reason, names in titles.items()]


def pictures(report: Report, scale: str = MEASURED) -> Pictures:
    """Draw all figures of a report; a method has the same look in all of them.

    Raises:
        UsageError: the scale is ``PUBLISHED`` and a group has no quantity for it.
    """
    styles = looks_of(report)
    taken: set[str] = set()
    drawn: list[Picture] = []
    missing: list[MissingPicture] = []
    for group in report.groups:
        prefix = f"{group.title}." if len(report.groups) > 1 else ""
        shown = on_published_scale(group) if scale == PUBLISHED else group
        study, several = study_of(shown, styles), any(len(run.trials) > 1 for run in group.runs)
        of_section = {
            "bounds": group.bounds,
            "limit": study.limits,
            "behaviour": study.behaved,
            "widths": study.widths,
        }
        for row in FIGURES:
            reasons, before = [], len(drawn)
            for subject in _subjects(row, study):
                try:
                    drawing = row.load()(study, *subject)
                except Missing as reason:
                    reasons.append(str(reason))
                    continue
                name = _unique(_slug(".".join([f"{prefix}{row.name}", *map(_text, subject)])), taken)
                narrow = row.load()(study, *subject, width=NARROW) if row.narrow else None
                drawn.append(Picture(group, row, name, _caption(row, subject, several, scale), drawing, narrow))
            about = of_section.get(row.section, group.runs)
            if len(drawn) == before and about:
                alone = ["every network was pruned in one layer alone"] if _is_by_layer(study) else []
                missing.append(MissingPicture(group, row, (*alone, *reasons, "no sparsity is known")[0]))
    return Pictures(tuple(drawn), tuple(missing), scale)


def looks_of(report: Report) -> dict[str, Look]:
    """The look of every method of a report; of networks that were pruned in one layer alone, without that layer."""
    layered = {id(run) for group in report.groups for run in pruned_each(group)}
    runs = sorted((run for group in report.groups for run in group.runs), key=lambda run: id(run) in layered)
    short = [str(label_of(run.trials[0], with_layers=False)) for run in runs if id(run) in layered]
    others = [one.method for group in report.groups for one in behaved(group)]
    methods = [*dict.fromkeys((*(run.method for run in runs if id(run) not in layered), *short, *others))]
    controls = [method for method in methods if is_control(method)]
    return looks([method for method in methods if method not in controls], controls)


def _is_by_layer(study: Study) -> bool:
    return bool(study.single_layers) and not study.series


def _caption(row: FigureRow, subject: Sequence[str | float | None], several: bool, scale: str) -> str:
    sentences = [row.summary.format(*map(_text, subject)) if subject else row.summary]
    sentences += [row.spread] if several and row.spread else []
    sentences += [SCALED] if scale == PUBLISHED and row.numbers else []
    sentences += [f"It corresponds to Figures {row.numbers} of arXiv:2403.00155."] if "–" in row.numbers else []
    sentences += [f"It corresponds to Figure {row.numbers} of arXiv:2403.00155."] if row.numbers.isdecimal() else []
    return " ".join(sentences)


def _subjects(row: FigureRow, study: Study) -> Sequence[tuple[str | float | None, ...]]:
    """The methods or sparsities to draw a figure for; none for all together."""
    if row.per is None:
        return [()]
    return [(subject,) for subject in (study.methods if row.per == "method" else study.places)]


def _text(subject: str | float | None) -> str:
    return subject if isinstance(subject, str) else "unknown" if subject is None else f"{subject:g}"


def _unique(stem: str, taken: set[str]) -> str:
    """The stem, with a number if it is taken already."""
    candidates = [stem, *(f"{stem}-{count}" for count in range(2, len(taken) + 3))]
    name = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(name)
    return name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:100]
