"""What the statements of AP3 assume, each with a verdict; the objections W2 to W5 and W14 are told where they apply."""

from collections.abc import Sequence

from apcli.records.bound import Assumption
from apcli.words import few

ONLY, AGREE = "only this layer differs", "the files agree otherwise"
NEGLIGIBLE = 0.01  # of the second-order term: a term below it does not count
NO_GRADIENT = "the gradient's term at w is negligible"  # the paper has it 0
NO_REMAINDER = "the remainder after the second order is negligible"


def below_2(kl: float) -> Assumption:
    """AP3 is below the 2 nats from which on Pinsker's inequality says nothing."""
    return Assumption("AP3 < 2 nats (Pinsker)", kl < 2, f"AP3 is {kl:.4g}")


def only(layer: str, others: Sequence[str], why: str) -> Assumption:
    """No tensor but one layer's weight differs between the files.

    Args:
        others: those that do.
        why: the objection to the statement where they do.
    """
    what = f"beside {layer} {few(others)} {'differs' if len(others) == 1 else 'differ'} too ({why})"
    return Assumption(ONLY, not others, what if others else AGREE)


def nothing_else(others: Sequence[str], one_dimensional: bool) -> Assumption:
    """Every tensor that differs is counted.

    Args:
        others: those that are not.
        one_dimensional: whether a bias, or a statistic of a batch norm, is among them.
    """
    why = " (W14: fine-tuning moves biases and batch-norm statistics too)" if one_dimensional else ""
    what = f"{few(others)} {'differs' if len(others) == 1 else 'differ'} too{why}"
    return Assumption("nothing else differs", not others, what if others else AGREE)


def no_gradient(length: float | None, first: float, kept: float) -> Assumption:
    """The first-order term g'D may be left out; the paper takes the gradient g for 0.

    Args:
        length: |g|; None: the layer stays, and nobody asked.
        first: g'D.
        kept: the term of second order that is kept, lambda_max |D|^2 / 2.
    """
    known = "" if length is None else f"; the gradient's length is {length:.3g}"
    if first == 0:
        return Assumption(NO_GRADIENT, True, f"it is 0{known}")
    share = f"{abs(first) / kept:.2g} times" if kept else "infinitely many times"
    term = f"it is {abs(first):.3g}, {share} the second-order term that is kept{known}"
    holds = abs(first) <= NEGLIGIBLE * kept
    return Assumption(NO_GRADIENT, holds, term if holds else f"{term} (W5: it must not be left out)")


def no_remainder(remainder: float | None, kept: float, rounding: float) -> Assumption:
    """What is left of the loss's change after the terms of first and second order may be left out.

    Args:
        remainder: what is left; None: not known, as other tensors differ too.
        kept: as for ``no_gradient``.
        rounding: how far ``remainder`` may be off.
    """
    if remainder is None:
        return Assumption(NO_REMAINDER, None, "not known: other tensors differ too")
    if remainder == 0:
        return Assumption(NO_REMAINDER, True, "it is 0")
    left, allowed = abs(remainder), NEGLIGIBLE * kept
    what = f"it is {left:.3g}, the second-order term that is kept {kept:.3g}"
    if abs(left - allowed) <= rounding:
        return Assumption(NO_REMAINDER, None, f"not known: {what}, and losses are rounded to {rounding:.1g}")
    return Assumption(NO_REMAINDER, left < allowed, what if left < allowed else f"{what} (W5)")
