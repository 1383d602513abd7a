"""Options of `report` for records."""

from dataclasses import dataclass
from pathlib import Path

from apcli.configs.keywords import File, Names
from apcli.configs.values import text
from apcli.errors import UsageError
from apcli.registry.tables import split_list

FORMATS = ("html", "md", "csv", "json", "tex")
MEASURED, PUBLISHED = SCALES = "measured", "published"  # of AP3 in figures
_OF_FIGURES = ("svg", "png", "pdf")


@dataclass(frozen=True)
class ReportConfig:
    """``apcli report`` of records.

    Attributes:
        stem: the path of the report's files without their endings.
        formats: their endings.
        figures: the folder of the figures' files; None: none.
        scale: of AP3 in figures; published: one sigma for all, as the paper sets it.
        overwrite: whether other files are replaced.
    """

    stem: Path = Path("report")
    formats: tuple[str, ...] = ("html",)
    figures: Path | None = None
    scale: str = MEASURED
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise UsageError(f"unknown scale {self.scale!r}: known are {', '.join(SCALES)}")
        if self.figures is not None and self.figures.exists() and not self.figures.is_dir():
            raise UsageError(f"--figures {self.figures} is a file: expected a folder")
        for form in self.formats:
            if form in _OF_FIGURES:
                remedy = "--figures DIR writes them as SVG, PNG and PDF"
                raise UsageError(f"--format {form}: figures are no report: {remedy}")
            if form not in FORMATS:
                raise UsageError(f"unknown format {form!r}: known are {', '.join(FORMATS)}")

    @classmethod
    def of(
        cls,
        output: File | None = None,
        formats: Names | None = None,
        figures: File | None = None,
        scale: str = MEASURED,
        overwrite: bool = False,
    ) -> "ReportConfig":
        """The options as they are given.

        Args:
            output: the page, default ``report.html``; or a folder for it.
            formats: None: the one that ``output`` ends in.

        Raises:
            UsageError: a format or the scale is unknown, or ``figures`` is a file.
        """
        stem, ending = stem_of(output)
        chosen = [ending] if formats is None else split_list(text("--format", formats), "format")
        folder = None if figures is None else Path(text("--figures", figures))
        return cls(stem, tuple(chosen), folder, scale, overwrite)


def stem_of(output: File | None) -> tuple[Path, str]:
    """The path of a report's files without their endings, and the format that ``output`` names."""
    place = "report.html" if output is None else text("--output", output)
    path = Path(place)
    if path.is_dir() or place.endswith("/"):
        path = path / "report.html"
    ending = path.suffix.removeprefix(".")
    return path.with_suffix("") if ending in FORMATS else path, ending or "html"
