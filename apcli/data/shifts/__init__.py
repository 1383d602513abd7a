"""Shifts of test images: the table of corruptions, each in five severities.

Each function takes ``images`` (float, 0 to 255, [N, C, H, W]), ``size`` (height and width that the model takes), a
generator of all random draws and ``severity``, and returns new images.
"""

from collections.abc import Mapping

from apcli.registry.ranges import Numbers, Span
from apcli.registry.tables import Parameter, Row, Table

SEVERITIES = Span(Numbers(1, 5), "1..5")
_HERE = "apcli.data.shifts.corruptions"
_SOURCE = "Hendrycks & Dietterich 2019, arXiv:1903.12261"
_EACH: Mapping[str, Parameter] = {"severity": "1..5"}


def _row(name: str, summary: str, *synonyms: str) -> Row:
    allowed = {"severity": SEVERITIES}
    return Row(name, f"{_HERE}:{name}", summary, _SOURCE, parameters=_EACH, ranges=allowed, synonyms=synonyms)


SHIFTS = Table(
    "shift",
    (
        _row("noise", "add normal noise to each channel of each pixel", "gaussian-noise"),
        _row("blur", "blur by a normal kernel", "gaussian-blur"),
        _row("contrast", "bring each channel nearer to its mean"),
        _row("jpeg", "compress as JPEG, and decompress", "jpeg-compression"),
        _row("brightness", "add to the largest channel of each pixel, and scale the others with it"),
    ),
)
