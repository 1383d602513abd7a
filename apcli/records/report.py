"""The report record: everything that a report says, for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from apcli.records.json_objects import JsonObject, Record


@dataclass(frozen=True)
class AnswerFacts(JsonObject):
    """One question of a reader, answered."""

    question: Annotated[str, "what a reader asks"]
    sentence: Annotated[str, "the answer"]
    number: Annotated[str, "of the sentence"]
    sureness: Annotated[str, "how sure it is"]
    anchor: Annotated[str, "of the page's section with the evidence"]


@dataclass(frozen=True)
class CheckFacts(JsonObject):
    """One line of the checklist of an honest experiment."""

    item: Annotated[str, "what is checked"]
    passed: Annotated[bool, "whether it is so"]
    reason: Annotated[str, "why"]


@dataclass(frozen=True)
class StageFacts(JsonObject):
    """The settings of one stage."""

    stage: Annotated[str, "the command"]
    settings: Annotated[Mapping[str, str], "by name; several values are listed"]


@dataclass(frozen=True)
class RepetitionFacts(JsonObject):
    """What somebody else needs to make the same files."""

    commands: Annotated[tuple[str, ...], "in their order; empty: not known"]
    stages: Annotated[tuple[StageFacts, ...], "their settings"]
    versions: Annotated[Mapping[str, str], "of programs"]
    device: Annotated[str | None, "that the files were timed on"]
    seeds: Annotated[tuple[int, ...], "of the trainings"]
    dense_files: Annotated[Mapping[str, str], "SHA-256 by name"]
    unknown: Annotated[int, "number of pruned files whose making is not known"]


@dataclass(frozen=True)
class QuantityFacts(JsonObject):
    """A quantity that has values."""

    name: Annotated[str, "by which values are found; unique in its group"]
    kind: Annotated[
        str,
        "`ap`: AP2 or AP3; `pd`: performance difference; `dense`, `before` (fine-tuning), `pruned`: performance; "
        "`behaviour`: of the pruned file beside the dense one",
    ]
    unit: Annotated[str, "of its values"]
    dist: Annotated[str | None, "distribution of AP"] = None
    params: Annotated[Mapping[str, Any] | None, "of the distribution"] = None
    measure: Annotated[str | None, "divergence of AP"] = None
    measure_params: Annotated[Mapping[str, Any] | None, "of the divergence"] = None
    estimator: Annotated[str | None, "of AP"] = None
    draws: Annotated[Mapping[str, Any] | None, "of Monte Carlo"] = None
    evaluated: Annotated[Mapping[str, Any] | None, "data, split and images, if AP was measured on the network"] = None


@dataclass(frozen=True)
class MomentFacts(JsonObject):
    """The values of a pruned network at one epoch."""

    epoch: Annotated[int | None, "of fine-tuning, 0: just pruned; null: the file itself"]
    values: Annotated[Mapping[str, float], "by the quantity's name"]
    std_errors: Annotated[Mapping[str, float], "of estimates, by the quantity's name"]


@dataclass(frozen=True)
class LayerFacts(JsonObject):
    """The final values of one layer of a pruned network."""

    layer: Annotated[str, "name of the layer"]
    sparsity: Annotated[float | None, "share of its weights that is zero"]
    values: Annotated[Mapping[str, float], "by the quantity's name"]


@dataclass(frozen=True)
class TrialFacts(JsonObject):
    """A pruned file, with all of its values."""

    network: Annotated[str, "the dense network: its file's SHA-256, or its path"]
    seed: Annotated[int | None, "of the training"]
    mask_seed: Annotated[int | None, "of a random mask"]
    path: Annotated[str | None, "of the pruned file"]
    sha256: Annotated[str | None, "of the pruned file"]
    sparsity: Annotated[float | None, "share of the compared weights that is zero"]
    moments: Annotated[tuple[MomentFacts, ...], "epochs in their order, then the file itself"]
    layers: Annotated[tuple[LayerFacts, ...], "those that were compared one by one"]


@dataclass(frozen=True)
class EstimateFacts(JsonObject):
    """A quantity of a run over its replicates."""

    quantity: Annotated[str, "its name"]
    moment: Annotated[str, "`just pruned` or `final`"]
    mean: Annotated[float, "over the replicates"]
    sd: Annotated[float | None, "sample standard deviation; null for one value"]
    n: Annotated[int, "number of replicates"]
    unit: Annotated[str, "what `n` counts: `dense network` or `seed`"]
    interval: Annotated[tuple[float, ...] | None, "95 %, Student's t: low and high; null for fewer than 3 values"]
    values: Annotated[tuple[float, ...], "one for each replicate"]


@dataclass(frozen=True)
class RunFacts(JsonObject):
    """The pruned files of one method at one sparsity."""

    name: Annotated[str, "method and sparsity; comparisons name runs by it"]
    method: Annotated[str, "with its scope"]
    control: Annotated[bool, "whether weights were removed at random"]
    requested: Annotated[float | None, "share that was asked for, of weights or of channels"]
    sparsity: Annotated[float | None, "share of weights at which the run stands"]
    estimates: Annotated[tuple[EstimateFacts, ...], "over the replicates"]
    trials: Annotated[tuple[TrialFacts, ...], "its files"]


@dataclass(frozen=True)
class MethodComparisonFacts(JsonObject):
    """Two methods at one sparsity, paired on the same dense network and seed."""

    first: Annotated[str, "name of a run"]
    second: Annotated[str, "name of the other run"]
    sparsity: Annotated[float, "of both"]
    moment: Annotated[str, "`just pruned` or `final`"]
    difference: Annotated[float, "test accuracy of `first` − that of `second`, percentage points"]
    values: Annotated[tuple[float, ...], "the difference of each pair"]
    interval: Annotated[tuple[float, ...] | None, "95 %, Student's t: low and high"]
    p: Annotated[float | None, "of the paired t test, adjusted for the comparisons of the moment (Holm)"]
    verdict: Annotated[str, "of `first`"]
    n: Annotated[int, "number of pairs"]
    unit: Annotated[str, "what `n` counts: `dense network` or `seed`"]
    detectable: Annotated[float | None, "least true difference that `n` pairs would find with power 0.8"]


@dataclass(frozen=True)
class AgreementFacts(JsonObject):
    """Kendall's tau-b between AP and PD over runs of one dense network."""

    measure: Annotated[str, "name of AP"]
    target: Annotated[str, "name of PD, or of a number of behaviour"]
    moment: Annotated[str, "`just pruned` or `final`"]
    over: Annotated[str, "`all` runs, those of one `sparsity` or `method`, or pairs at the `same sparsity`"]
    sparsity: Annotated[float | None, "of the runs, if it is one"]
    method: Annotated[str | None, "of the runs, if it is one"]
    tau: Annotated[float | None, "over the pairs of all dense networks; null: AP or PD does not vary"]
    interval: Annotated[tuple[float, ...] | None, "95 %, dense networks resampled; null for fewer than 5"]
    taus: Annotated[tuple[float, ...], "of the single dense networks in which AP and PD vary"]
    agree: Annotated[int, "pairs of runs in the same order"]
    breaks: Annotated[int, "pairs in the opposite order"]
    tied: Annotated[int, "pairs with equal AP or PD"]
    runs: Annotated[tuple[str, ...], "their names"]
    networks: Annotated[int, "number of dense networks"]


@dataclass(frozen=True)
class WithinNetworksFacts(JsonObject):
    """Kendall's tau-b between AP and PD over the epochs of one pruned network."""

    measure: Annotated[str, "name of AP"]
    target: Annotated[str, "name of PD"]
    mean: Annotated[float, "over the pruned networks"]
    low: Annotated[float, "the least"]
    high: Annotated[float, "the largest"]
    n: Annotated[int, "number of pruned networks"]
    networks: Annotated[int, "number of dense networks"]
    interval: Annotated[tuple[float, ...] | None, "95 % of the mean, dense networks resampled; null for fewer than 5"]
    taus: Annotated[tuple[float, ...], "of each pruned network"]
    runs: Annotated[tuple[str, ...], "the name of each one's run"]


@dataclass(frozen=True)
class ContrastFacts(JsonObject):
    """How far a measure separates two methods."""

    first: Annotated[str, "name of a run"]
    second: Annotated[str, "name of the other run"]
    sparsity: Annotated[float, "of both"]
    moment: Annotated[str, "`just pruned` or `final`"]
    measure: Annotated[str, "name of AP"]
    value: Annotated[float | None, "difference of the means over the pooled standard deviation"]
    n: Annotated[tuple[int, ...], "replicates of `first` and of `second`"]
    unit: Annotated[str, "what `n` counts: `dense network` or `seed`"]


@dataclass(frozen=True)
class GroupFacts(JsonObject):
    """One network on one data set."""

    model: Annotated[str | None, "name of the network"]
    data: Annotated[str | None, "name of the data set"]
    done: Annotated[str, "what was done, in a line"]
    answers: Annotated[tuple[AnswerFacts, ...], "what the records say"]
    checklist: Annotated[tuple[CheckFacts, ...], "of an honest experiment"]
    notes: Annotated[tuple[str, ...], "on records that could not be grouped as others"]
    repetition: Annotated[RepetitionFacts, "how to make the same files"]
    quantities: Annotated[tuple[QuantityFacts, ...], "that have values"]
    runs: Annotated[tuple[RunFacts, ...], "methods at sparsities"]
    comparisons: Annotated[tuple[MethodComparisonFacts, ...], "of methods"]
    agreements: Annotated[tuple[AgreementFacts, ...], "of AP and PD, or behaviour, over runs"]
    within_networks: Annotated[tuple[WithinNetworksFacts, ...], "agreement of AP and PD over epochs"]
    contrasts: Annotated[tuple[ContrastFacts, ...], "of methods, by AP"]


@dataclass(frozen=True)
class ReportRecord(Record):
    """A report for programs. Quantities and runs are named once, and found by their names."""

    kind: ClassVar[str] = "report"
    version: ClassVar[int] = 1

    inputs: Annotated[
        str, "`apcli-records:`, the version of apcli, and in base64 the first 6 bytes of each record's digest, sorted"
    ]
    records: Annotated[Mapping[str, int], "how many were read, by their kind"]
    groups: Annotated[tuple[GroupFacts, ...], "only runs of one group are compared"]
