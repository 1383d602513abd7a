"""An answer: what a section of evidence comes down to."""

from dataclasses import dataclass

# What to do where performance is not known.
MEASURE_IT = "`apcli finetune --epochs 0 FILE` measures it; then run `apcli divergence` again."


@dataclass(frozen=True)
class Answer:
    """One question that a reader comes with, answered. All are plain text.

    Attributes:
        sentence: the answer.
        number: what the sentence says, as one number to be shown large.
        sureness: how sure it is, in words.
        anchor: the section of the page that holds the evidence.
    """

    question: str
    sentence: str
    number: str
    sureness: str
    anchor: str
