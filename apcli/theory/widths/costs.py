"""The cost of a network as a polynomial of its groups' widths."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class WidthCost:
    """F(w) = constant + linear . w + 1/2 w' products w of the widths w, kept elements of each of n groups.

    A layer between two groups costs in proportion to the product of their widths, and one in front of a fixed number
    of outputs in proportion to its group's; within one group it costs the square.

    Attributes:
        linear: float64 [n], >= 0.
        products: float64 [n, n], symmetric, >= 0.
    """

    constant: float
    linear: np.ndarray
    products: np.ndarray

    @classmethod
    def additive(cls, each: np.ndarray) -> "WidthCost":
        """The cost of elements that cost ``each`` (float64 [n], by their group) whatever else is kept."""
        return cls(0.0, np.asarray(each, float), np.zeros((len(each), len(each))))

    def at(self, widths: np.ndarray) -> float:
        """F of float [n]; exact for whole widths and coefficients, as those of multiply-adds, below 2^53."""
        return float(self.constant + widths @ (self.linear + self.products @ widths / 2))

    def slope(self, widths: np.ndarray) -> np.ndarray:
        """dF/dw: float64 [n]."""
        slope: np.ndarray = self.linear + self.products @ widths
        return slope

    def fixing(self, fixed: np.ndarray, widths: np.ndarray) -> "WidthCost":
        """The cost of the groups that are not ``fixed`` (bool [n]); the others keep their ``widths`` (float [n])."""
        rest = ~fixed
        held = np.where(fixed, widths, 0.0)
        return WidthCost(self.at(held), self.slope(held)[rest], self.products[np.ix_(rest, rest)])

    def of_shares(self, sizes: np.ndarray) -> "WidthCost":
        """The same cost, of each group's kept share of ``sizes`` (float [n]) in place of its width."""
        return WidthCost(self.constant, self.linear * sizes, self.products * np.outer(sizes, sizes))
