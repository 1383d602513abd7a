"""The rise of the loss that a pruning limit allows."""

import math

import numpy as np

_BATCH = 128  # as published
RULES = "std, std-BATCH, abs-X or rel-X, such as std-128 or rel-0.01"


def allowed(rule: str, losses: np.ndarray) -> float:
    """eps, in the unit of the losses (nats for cross-entropy).

    Args:
        rule: ``std``: the standard deviation of the mean loss of a batch, that of the single losses over sqrt(batch),
            128 by default; ``abs-X``: X; ``rel-X``: X times the mean loss.
        losses: those of the trained network on single images, float [images].

    Raises:
        ValueError: the rule is another one, or its eps is not above 0.

    Source: arXiv:2306.05857's code measures ``std`` over its batches of 128.
    """
    name, _, text = rule.partition("-")
    try:
        number = float(_BATCH if rule == "std" else text)
    except ValueError:
        number = math.nan
    if name not in ("std", "abs", "rel") or not 0 < number < math.inf:
        raise ValueError(f"the rule for eps is {rule!r}: expected {RULES}, with a number above 0")
    single = np.asarray(losses, np.float64)
    eps = {"std": float(np.std(single)) / math.sqrt(number), "abs": number, "rel": number * float(np.mean(single))}[
        name
    ]
    if not 0 < eps < math.inf:
        raise ValueError(f"eps is {eps:g} by the rule {rule}, since the losses are all alike or not finite: give abs-X")
    return eps
