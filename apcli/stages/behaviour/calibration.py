"""How sure both networks are, and whether rightly."""

from apcli.probes.outcomes import Outcomes
from apcli.records.behaviour import Calibration, CalibrationBin, Confidence, Estimated, NetworkCalibration
from apcli.stages.behaviour.networks import Images, Seen
from apcli.theory.statistics.calibration import calibration_error

FEWEST = 2  # images of a calibration error


def calibration(images: Images, dense: Seen, pruned: Seen) -> Calibration | None:
    """The calibration of both networks, as they are and with their temperatures; None of fewer than two images."""
    measured = len(dense.measured.labels)
    if measured < FEWEST:
        return None
    return Calibration(measured, images.fitted, _of_network(dense), _of_network(pruned))


def _of_network(seen: Seen) -> NetworkCalibration:
    scaled = None if seen.scaled is None else _confidence(seen.scaled)
    return NetworkCalibration(float(seen.measured.margins.mean()), _confidence(seen.measured), seen.temperature, scaled)


def _confidence(found: Outcomes) -> Confidence:
    error = calibration_error(found.confidences, found.right)
    columns = (error.confidences.tolist(), error.accuracies.tolist(), error.counts.tolist())
    return Confidence(
        nll=float(found.losses.mean()),
        brier=float(found.briers.mean()),
        ece=Estimated(error.value, *error.interval),
        confidence=float(found.confidences.mean()),
        entropy=float(found.entropies.mean()),
        bins=tuple(CalibrationBin(*row) for row in zip(*columns, strict=True)),
    )
