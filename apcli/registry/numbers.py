"""What is meant by a text that is no number to Python: a percentage, a fraction, a decimal comma."""

import re

_PERCENT = re.compile(r"(\d+\.?\d*|\.\d+)\s*(?:%|percent)")
_FRACTION = re.compile(r"(\d+)\s*/\s*0*([1-9]\d*)")
_DECIMAL_COMMA = re.compile(r"(\d+),(\d+)")
_SHARES_WITH_COMMAS = re.compile(r"0,0*[1-9]\d*(?:\s*[,;]?\s+0,0*[1-9]\d*|[,;]0,0*[1-9]\d*)*")
_BETWEEN = re.compile(r"\s*[,;]\s*|(?<=[\d%])\s+(?=[\d.])")


def number_meant(given: str) -> str:
    """How the number is written that ``given`` means; empty if it may mean anything."""
    text = given.strip(" ,;")
    if (found := _PERCENT.fullmatch(text)) and float(found[1]) < 100:
        return f"{float(found[1]) / 100:g}"
    if found := _FRACTION.fullmatch(text):
        return f"{int(found[1]) / int(found[2]):g}"
    if found := _DECIMAL_COMMA.fullmatch(text):
        return f"{found[1]}.{found[2]}"
    return text if _is_number(text) else ""


def numbers_meant(given: str) -> str:
    """The same for a list: its members separated by commas."""
    text = given.strip(" ,;")
    parts = re.findall(r"0,\d+", text) if has_decimal_commas(text) else _BETWEEN.split(text)
    members = [number_meant(part) for part in parts]
    return ",".join(members) if all(members) else ""


def has_decimal_commas(given: str) -> bool:
    """Whether a list of shares, such as ``0,5``, has commas for points: no share is a whole number but 0."""
    return _SHARES_WITH_COMMAS.fullmatch(given.strip()) is not None


def hint(meant: str) -> str:
    """The end of a message: what to give instead; empty if it is not known."""
    return meant and f": give {meant}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
