"""The terms of a report, each defined in one sentence where it first stands."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Term:
    """A term: its name, how a text that uses it is recognised, and what it means."""

    name: str
    used: str
    meaning: str

    @property
    def anchor(self) -> str:
        plain = self.name.lower().replace("τ", "tau").replace("±", "spread")
        return "term-" + re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


TERMS = (
    Term("sparsity", r"\bsparsit(y|ies)\b", "the share of the weights in scope that are set to exactly zero"),
    Term(
        "dense network",
        r"\bdense (network|accuracy|loss)",
        "a trained network before anything is removed; its own training, and so its own seed, made it",
    ),
    Term(
        "accuracy",
        r"\baccurac(y|ies)\b",
        "the share of images whose most probable class is the right one (top-1), in percent; a difference of two is in "
        "percentage points (pp)",
    ),
    Term("just pruned", r"\bjust pruned\b|\bright after pruning\b", "before any fine-tuning"),
    Term(
        "control",
        r"\bcontrols?\b|\brandom(?! (mask|sign|start|subspace))",
        "a method that removes at random: what every other method has to beat",
    ),
    Term(
        "not distinguishable",
        r"\bnot distinguishable\b",
        "the difference may be chance: the 95 % interval of it, or the test adjusted for all comparisons, holds zero",
    ),
    Term(
        "loss difference (PD)",
        r"\bPD\b|\bloss difference\b",
        "performance difference |L(dense) − L(pruned)|, where L is the mean cross-entropy in nats",
    ),
    Term(
        "AP2",
        r"\bAP2\b",
        "squared Euclidean distance ‖ω − ω̃‖² between the dense and the pruned weights of the compared layers",
    ),
    Term(
        "AP3",
        r"\bAP3\b|\bdivergences?\b",
        "a divergence between two distributions to which the dense and the pruned weights belong, mostly as their "
        "locations: KL(dense ‖ pruned) in nats, unless named otherwise",
    ),
    Term(
        "rank agreement (Kendall’s τ)",
        r"τ|\b[Rr]ank agreement\b|\bKendall\b",
        "1: two quantities put the networks in the same order, −1: in the reverse, 0: no relation",
    ),
    Term(
        "±",
        r"±|\bsd\b",
        "the sample standard deviation over dense networks, or over seeds if there is one dense network; of a single "
        "value that is estimated, its standard error",
    ),
    Term(
        "interval",
        r"\bintervals?\b|\[[−\d]",
        "95 %: of a mean by Student’s t; of a rank agreement by resampling dense networks, each with all of its runs, "
        "and with fewer than five of them there is none",
    ),
    Term("MACs", r"\bMACs\b|\b[Mm]ultiply-adds\b", "multiply-adds for one image, without those with a zero weight"),
    Term("compression", r"\bcompression\b", "the parameters of the model, divided by those that are left"),
    Term(
        "total variation (TV)",
        r"\bTV\b|\btotal variation\b",
        "the largest difference between the probabilities that two distributions give to the same event, from 0 to 1",
    ),
)


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
