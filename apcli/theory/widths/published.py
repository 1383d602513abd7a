"""The program of arXiv:2108.08532 as published and as its released code solves it."""

import numpy as np

from apcli.theory.widths.costs import WidthCost


def walked(cost: WidthCost, limit: float, importances: np.ndarray | None = None) -> np.ndarray:
    """Shares x in [0, 1] of the program max c . x subject to F(x) <= limit: float64 [n].

    The program is not convex: F is bilinear. SLSQP (Kraft 1988) from full widths stops at a point on the surface
    F = limit near its start, by the geometry of F alone: the published importances, e^-231 / L and less, are below its
    tolerance. Its true optimum has most widths at 0 or 1.

    Args:
        cost: F, of shares, in operations: its scale decides where the search stops.
        importances: c, float64 [n]; None: 0, as what is left of the published ones.

    Source: arXiv:2108.08532, the solver and its defaults as in the released code.
    """
    from scipy.optimize import minimize

    weights = np.zeros(len(cost.linear)) if importances is None else np.asarray(importances, float)
    found = minimize(
        lambda x: -float(weights @ x),
        np.ones(len(weights)),
        jac=lambda x: -weights,
        bounds=[(0.0, 1.0)] * len(weights),
        constraints={"type": "ineq", "fun": lambda x: limit - cost.at(x)},
        method="SLSQP",
    )
    shares: np.ndarray = np.clip(found.x, 0.0, 1.0)
    return shares
