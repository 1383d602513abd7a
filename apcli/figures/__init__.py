"""The figures of a report: a row for each, and a file for the function that draws it.

A figure is drawn from a ``study.Study``: numbers in, a matplotlib ``Figure`` out, and the same numbers give the same
bytes. There is no pyplot and so no global figure; settings hold only while a figure is drawn or saved. On a logarithmic
axis a value that is zero, negative or not known is a gap, and a line of the figure says so.
"""

from dataclasses import dataclass
from typing import Literal

from apcli.registry.tables import Row, Table

_PAPER = "arXiv:2403.00155, where PD and AP are compared"
_OVER_EPOCHS = "Lines are means over seeds, bands ± 1 standard deviation."


@dataclass(frozen=True)
class FigureRow(Row):
    """A figure: ``target(study)`` draws it, or ``target(study, of)`` if it is drawn ``per`` method or sparsity.

    ``title`` is the heading of its section of the report, and ``summary`` its caption, in which ``{}`` stands for the
    method or sparsity. ``seeds`` is added to the caption if runs have several seeds. ``needs`` names members of
    ``Study.holds``: the figure is left out if one of them is missing.
    """

    title: str = ""
    per: Literal["method", "sparsity"] | None = None
    seeds: str = ""


FIGURES = Table(
    "figure",
    (
        FigureRow(
            "accuracy",
            "apcli.figures.accuracy:accuracy",
            "Top-1 on the test split. Dotted: controls, which remove at random; a method that is not above them "
            "is no better than chance. The sparsities are spaced by the logarithm of 1 / (1 − sparsity).",
            "Blalock et al. 2020, arXiv:2003.03033, section 7",
            ("accuracies",),
            title="Accuracy over sparsity",
            seeds="Bars are ± 1 sd over seeds.",
        ),
        FigureRow(
            "ranking",
            "apcli.figures.ranking:ranking",
            "Kendall’s τ over all runs with its 95 % bootstrap interval. Orange: the best; hollow: lower than the "
            "best; otherwise not distinguishable from it, or too few runs to say.",
            "Kendall 1945, doi:10.1093/biomet/33.3.239; Efron 1979, doi:10.1214/aos/1176344552",
            ("rankings",),
            title="Which projection orders PD best",
        ),
        FigureRow(
            "by-sparsity",
            "apcli.figures.by_epoch:by_sparsity",
            "Method {}: each measure over the epochs of fine-tuning, one line for each sparsity.",
            _PAPER,
            ("epochs",),
            title="Fixed method, every sparsity",
            per="method",
            seeds=_OVER_EPOCHS,
        ),
        FigureRow(
            "by-method",
            "apcli.figures.by_epoch:by_method",
            "Sparsity {}: each measure over the epochs of fine-tuning, one line for each method.",
            _PAPER,
            ("epochs",),
            title="Fixed sparsity, every method",
            per="sparsity",
            seeds=_OVER_EPOCHS,
        ),
        FigureRow(
            "over-sparsity",
            "apcli.figures.over_sparsity:over_sparsity",
            "Each measure in the files as they stand, one line for each method.",
            _PAPER,
            ("untraced runs",),
            title="Final values over sparsity",
            seeds="Bars are ± 1 sd over seeds.",
        ),
        FigureRow(
            "ap-against-pd",
            "apcli.figures.ap_against_pd:ap_against_pd",
            "One mark for each run: final values, log axes; a larger mark is a higher sparsity.",
            _PAPER,
            ("ap", "pd"),
            title="AP against PD",
            seeds="Marks are means over seeds.",
        ),
    ),
)
