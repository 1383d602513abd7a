"""The behaviour record: what a dense and a pruned network do with the same images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from apcli.errors import ApcliError
from apcli.records.json_objects import Columns, JsonObject
from apcli.records.pair import PairRecord


@dataclass(frozen=True)
class Estimated(JsonObject):
    """A number with its 95 % interval."""

    value: Annotated[float, "the estimate"]
    low: Annotated[float | None, "end of the interval; null: not known"] = None
    high: Annotated[float | None, "end of the interval; null: not known"] = None


@dataclass(frozen=True)
class Compared(JsonObject):
    """A number of both networks."""

    dense: Annotated[float, "of the dense network"]
    pruned: Annotated[float, "of the pruned network"]
    change: Annotated[Estimated | None, "pruned − dense, paired over the images; null: no interval"] = None


@dataclass(frozen=True)
class Flips(JsonObject):
    """The images by what the two networks make of them."""

    both_right: Annotated[int, "both predict the label"]
    to_wrong: Annotated[int, "the dense network is right, the pruned one wrong"]
    to_right: Annotated[int, "the dense network is wrong, the pruned one right"]
    between_wrongs: Annotated[int, "both are wrong, in different ways"]
    alike_wrong: Annotated[int, "both are wrong in the same way"]
    p: Annotated[float, "two-sided, of McNemar’s exact test that images go either way alike"]


@dataclass(frozen=True)
class ClassChange(JsonObject):
    """One class: the accuracy on its images."""

    label: Annotated[int, "number of the class"]
    name: Annotated[str | None, "of the class; null: not known"]
    images: Annotated[int, "with this label"]
    dense: Annotated[float, "accuracy of the dense network, percent"]
    pruned: Annotated[float, "accuracy of the pruned network, percent"]
    change: Annotated[Estimated, "pruned − dense, percentage points; of the level of Holm’s step (Bonett & Price)"]
    p: Annotated[float, "of McNemar’s exact test, adjusted for all classes (Holm)"]
    predicted_by_both: Annotated[int, "images of any label that both networks predict to be of this class"]


@dataclass(frozen=True)
class Confusion(JsonObject):
    """Images of which the two networks predict two classes."""

    dense: Annotated[int, "class that the dense network predicts"]
    pruned: Annotated[int, "class that the pruned network predicts"]
    images: Annotated[int, "number of them"]


@dataclass(frozen=True)
class Predictions(JsonObject):
    """The predicted classes of both networks on all images."""

    agreement: Annotated[Estimated, "images on which both predict one class, percent (Clopper & Pearson)"]
    accuracy: Annotated[Compared, "top-1, percent (Bonett & Price)"]
    top5: Annotated[Compared | None, "percent; null: fewer than five classes"]
    loss: Annotated[Compared, "mean cross-entropy, nats (Student’s t)"]
    flips: Annotated[Flips, "images by what the networks make of them", Columns("")]
    classes: Annotated[tuple[ClassChange, ...], "classes that have images, in their order"]
    confusion: Annotated[tuple[Confusion, ...], "pairs of different classes, the commonest first, 100 at most"]


@dataclass(frozen=True)
class CalibrationBin(JsonObject):
    """Images of similar confidence."""

    confidence: Annotated[float, "mean"]
    accuracy: Annotated[float, "share whose predicted class is the label"]
    images: Annotated[int, "number of them"]


@dataclass(frozen=True)
class Confidence(JsonObject):
    """How sure a network is, at one temperature."""

    nll: Annotated[float, "mean negative log-likelihood, nats"]
    brier: Annotated[float, "mean Brier score over all classes, in [0, 2]"]
    ece: Annotated[Estimated, "expected calibration error: 15 bins of equally many images, debiased"]
    confidence: Annotated[float, "mean probability of the predicted class"]
    entropy: Annotated[float, "mean, nats"]
    bins: Annotated[tuple[CalibrationBin, ...], "of the calibration error, by confidence"]


@dataclass(frozen=True)
class NetworkCalibration(JsonObject):
    """The calibration of one network."""

    margin: Annotated[float, "mean of the label’s logit − the largest other one"]
    own: Annotated[Confidence, "as the network is"]
    temperature: Annotated[float | None, "that its logits are divided by; null: none was fitted"]
    scaled: Annotated[Confidence | None, "after that"]


@dataclass(frozen=True)
class Calibration(JsonObject):
    """The calibration of both networks, on images that no temperature was fitted on."""

    images: Annotated[int, "number of them"]
    fitted_on: Annotated[int, "other images of the split, for the temperatures"]
    dense: Annotated[NetworkCalibration, "the dense network"]
    pruned: Annotated[NetworkCalibration, "the pruned network"]


@dataclass(frozen=True)
class LayerFeatures(JsonObject):
    """What one layer computes in both networks. Dependences are debiased linear nHSIC, up to 1; 0: independent."""

    layer: Annotated[str, "name of the layer"]
    cka: Annotated[float, "of its outputs in the two networks (debiased linear CKA): 1 if alike but for a rotation"]
    change: Annotated[float | None, "‖pruned − dense‖ / ‖dense‖ of its outputs; null: some were removed"]
    dead_units: Annotated[Compared, "share of its inputs that are the same for all images"]
    dead_channels: Annotated[Compared, "share of its input channels of which all inputs are"]
    with_images: Annotated[Compared, "dependence of its outputs on the images"]
    with_labels: Annotated[Compared, "dependence of its outputs on the labels"]
    dense_layers: Annotated[tuple[float, ...], "dependence on each layer’s outputs, in order: the dense network"]
    pruned_layers: Annotated[tuple[float, ...], "the same in the pruned network"]


@dataclass(frozen=True)
class Features(JsonObject):
    """What the layers of both networks compute."""

    images: Annotated[int, "number of them"]
    minibatch: Annotated[int, "images that are compared with each other, at most"]
    layers: Annotated[tuple[LayerFeatures, ...], "in the order in which the network calls them"]


@dataclass(frozen=True, kw_only=True)
class BehaviourRecord(PairRecord):
    """What the networks of a pair do with the same images. A number that is not known is None."""

    kind: ClassVar[str] = "behaviour"
    version: ClassVar[int] = 1

    evaluated: Annotated[Mapping[str, Any], "data, split and number of images"]
    shift: Annotated[str | None, "of the images, as `--shift` names it; null: as they are"] = None
    severity: Annotated[int | None, "of the shift, 1 to 5"] = None
    predictions: Annotated[Predictions, "predicted classes", Columns("")]
    calibration: Annotated[Calibration | None, "of the predicted probabilities"] = None
    features: Annotated[Features | None, "what layers compute; null: not measured"] = None

    @classmethod
    def from_json(cls, members: Mapping[str, Any], where: str = "the object", path: str = "") -> Self:
        """As of any record, whose images are counted: their numbers are shares of them."""
        record = super().from_json(members, where, path)
        images = record.evaluated.get("images")
        if type(images) is not int or images < 1:
            raise ApcliError(f"{where} has {path}evaluated.images {images!r:.60}: expected a whole number, 1 or more")
        return record
