"""The terms of a report, each defined in one sentence where it first stands."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apcli.allocations import SCOPES
from apcli.criteria import FILTER_METHODS, METHODS
from apcli.projections import COVARIANCES


@dataclass(frozen=True)
class Term:
    """A term: its name, how a text that uses it is recognised, what it means, and that in few words for a card.

    Without ``short``, the meaning is short enough.
    """

    name: str
    used: str
    meaning: str
    short: str = ""

    @property
    def anchor(self) -> str:
        plain = self.name.lower().replace("τ", "tau").replace("±", "spread").replace("+", "-plus")
        return "term-" + re.sub(r"[^a-z0-9]+", "-", plain).strip("-")

    @property
    def in_short(self) -> str:
        return self.short or self.meaning


_TERMS = (
    Term(
        "sparsity",
        r"\bsparsit(y|ies)\b",
        "the share of the weights in scope that are set to exactly zero",
        "the share of weights that are zero",
    ),
    Term(
        "dense network",
        r"\bdense (network|accuracy|loss)",
        "a trained network before anything is removed; its own training, and so its own seed, made it",
        "the trained network before pruning",
    ),
    Term(
        "accuracy",
        r"\baccurac(y|ies)\b",
        "the share of images whose most probable class is the right one (top-1), in percent; a difference of two is in "
        "percentage points (pp)",
        "the share of images classified right (top-1)",
    ),
    Term("just pruned", r"\bjust pruned\b|\bright after pruning\b", "before any fine-tuning"),
    Term(
        "control",
        r"\bcontrols?\b|\brandom(?! (mask|sign|start|subspace))",
        "a method that removes at random: what every other method has to beat",
        "removes at random; what others have to beat",
    ),
    Term(
        "not distinguishable",
        r"\bnot distinguishable\b",
        "the difference may be chance: the 95 % interval of it, or the test adjusted for all comparisons, holds zero",
        "the difference may be chance",
    ),
    Term(
        "loss difference (PD)",
        r"\bPD\b|\bloss difference\b",
        "performance difference |L(dense) − L(pruned)|, where L is the mean cross-entropy in nats",
        "|L(dense) − L(pruned)|, L the mean cross-entropy; it has no sign",
    ),
    Term(
        "AP2",
        r"\bAP2\b",
        "squared Euclidean distance ‖ω − ω̃‖² between the dense and the pruned weights of the compared layers",
        "the squared distance of dense and pruned weights",
    ),
    Term(
        "AP3",
        r"\bAP3\b|\bdivergences?\b",
        "a divergence between two distributions to which the dense and the pruned weights belong, mostly as their "
        "locations: KL(dense ‖ pruned) in nats, unless named otherwise",
        "how far apart distributions around the dense and the pruned weights are (KL)",
    ),
    Term(
        "rank agreement (Kendall’s τ)",
        r"τ|\b[Rr]ank agreement\b|\bKendall\b",
        "1: two quantities put the networks in the same order, −1: in the reverse, 0: no relation",
        "1: the same order, −1: the reverse, 0: no relation",
    ),
    Term(
        "±",
        r"±|\bsd\b",
        "the sample standard deviation over dense networks, or over seeds if there is one dense network; of a single "
        "value that is estimated, its standard error",
        "the standard deviation over dense networks",
    ),
    Term(
        "interval",
        r"\bintervals?\b|\[[−\d]",
        "95 %: of a mean by Student’s t; of a rank agreement by resampling dense networks, each with all of its runs, "
        "and with fewer than five of them there is none",
        "95 %; of τ, dense networks are resampled",
    ),
    Term("MACs", r"\bMACs\b|\b[Mm]ultiply-adds\b", "multiply-adds for one image, without those with a zero weight"),
    Term("compression", r"\bcompression\b", "the parameters of the model, divided by those that are left"),
    Term(
        "total variation (TV)",
        r"\bTV\b|\btotal variation\b",
        "the largest difference between the probabilities that two distributions give to the same event, from 0 to 1",
    ),
)

_GROUPS = Term(
    "groups=",
    r"\bgroups=\d",
    "the weights are first averaged in about as many groups of neighbours, and the distributions are those of the "
    "averages. Of the whole network, the groups run through all compared layers as one row of weights; of a single "
    "layer, that layer alone has as many. So a group of the network averages more weights, its values are smaller, "
    "and the two are not to be compared",
    "the weights are first averaged in about as many groups",
)
_FILTER = Term("(filter)", r"\(filter\b", "whole channels are removed, not single weights")


def _tabled() -> Iterator[Term]:
    """The covariances of measures, and the methods and scopes of runs, as their tables describe them."""
    for covariance in COVARIANCES:
        meaning = covariance.in_words or f"of the distribution’s covariance: {covariance.summary}"
        yield Term(f"cov={covariance.name}", rf"\bcov={re.escape(covariance.name)}(?![\w-])", meaning)
    yield _FILTER
    for scope in SCOPES:
        used = rf"\((filter, )?{re.escape(scope.name)}(?=[,)])"
        yield Term(f"({scope.name})", used, f"the scope of a method: {scope.summary}", scope.summary)
    for table, kind, suffix in ((METHODS, "(?!filter)", ""), (FILTER_METHODS, "filter", " (filter)")):
        for method in table:
            removes = method.summary.startswith("removes ")
            meaning = method.summary if removes else f"removes what has the lowest score: {method.summary}"
            yield Term(f"{method.name}{suffix}", rf"(?<![\w-]){re.escape(method.name)}(:\S+)? \({kind}", meaning)


TERMS = (*_TERMS, _GROUPS, *_tabled())


@dataclass
class FirstUse:
    """The terms that a page has used so far."""

    given: list[Term] = field(default_factory=list)

    def of(self, texts: Iterable[str]) -> tuple[Term, ...]:
        """The terms that stand in these texts, and in none before."""
        text = "\n".join(texts)
        new = tuple(term for term in TERMS if term not in self.given and re.search(term.used, text))
        self.given += new
        return new
