"""Checks of the numbers: what was measured, and at how many points."""

from apcli.stages.report.answers.checks.evidence import Evidence, Found, known
from apcli.stages.report.runs.experiment import Run
from apcli.stages.report.words import percent
from apcli.words import count, few

POINTS = 5  # operating points: Blalock et al. 2020, arXiv:2003.03033
FALLS = 1.0  # percentage points below the dense network's: from there on the accuracy falls clearly


def costs(evidence: Evidence) -> Found:
    """Whether compression and theoretical speed-up are known for every run."""
    runs = evidence.group.runs
    files = [[trial.checkpoint for trial in run.trials if trial.checkpoint] for run in runs]
    compressed = [any(trial.compression for trial in run.trials) for run in runs]
    sped = [any(file.macs and file.macs.theoretical_speedup for file in each) for each in files]
    if all(compressed) and all(sped):
        return True, "parameters of the dense network / kept ones, and multiply-adds likewise"
    return False, f"compression is {known(runs, compressed)}, theoretical speed-up {known(runs, sped)}"


def five_best(evidence: Evidence) -> Found:
    """Whether top-5 accuracy stands beside top-1."""
    finals = [one.metrics.pruned.test for one in evidence.records if one.metrics.pruned and one.epoch is None]
    top1 = any(score and score.accuracy is not None for score in finals)
    top5 = any(score and score.top5 is not None for score in finals)
    if top1 and top5:
        return True, "both are in the records, on test images"
    return False, f"{'top-5' if top1 else 'top-1'} accuracy on test images is not known"


def raw_accuracy(evidence: Evidence) -> Found:
    """Whether the accuracy itself is known at each point, and that of the unpruned network."""
    runs = evidence.group.runs
    pruned, dense = ([run.accuracy(state) is not None for run in runs] for state in ("pruned", "dense"))
    if all(pruned) and all(dense):
        return True, f"of {count(len(runs), 'run')}, and of the unpruned network on the same images"
    return False, f"accuracy is {known(runs, pruned)}, that of the unpruned network {known(runs, dense)}"


def before_and_after(evidence: Evidence) -> Found:
    """Whether accuracy is known before and after fine-tuning."""
    runs = evidence.group.runs
    if not evidence.group.traced and not any(evidence.tuning.values()):
        return False, "no file was fine-tuned, as far as is known"
    both = [run.accuracy("before") is not None and run.accuracy("pruned") is not None for run in runs]
    return all(both), f"of {count(len(runs), 'run')}" if all(both) else f"both are {known(runs, both)}"


def on_test_images(evidence: Evidence) -> Found:
    """Whether everything was evaluated on images that nothing was trained on, or chosen by."""
    runs = evidence.group.runs
    tested = [run.accuracy("pruned") is not None for run in runs]
    if not all(tested):
        return False, f"test accuracy is {known(runs, tested)}"
    images = next((one.test_images for one in evidence.made if one.test_images), None)
    return True, f"{images:,} test images" if images else "the test split of the data"


def operating_points(evidence: Evidence) -> Found:
    """Whether each method is compared at enough sparsities, over a range in which accuracy falls."""
    points = {method: sorted({run.sparsity for run in runs if run.sparsity is not None})
              for method, runs in evidence.methods.items()}  # fmt: skip
    if not points:
        return False, "no method other than at random is known"
    fewest = min(points, key=lambda method: len(points[method]))
    if len(points[fewest]) < POINTS:
        at = f": {few([percent(s) for s in points[fewest]])}" if points[fewest] else ""
        return False, f"{count(len(points[fewest]), 'sparsity')} of {fewest}{at}; {POINTS} are usual"
    falls = [fall for runs in evidence.methods.values() for run in runs if (fall := _fall(run)) is not None]
    if not falls or max(falls) < FALLS:
        return False, f"accuracy falls by less than {FALLS:g} percentage point: the range ends too early"
    return True, f"{POINTS} sparsities or more of each method; accuracy falls by up to {max(falls):.1f} points"


def evaluated(evidence: Evidence) -> Found:
    """Whether anything usual was left unmeasured, and what."""
    runs, trials = evidence.group.runs, evidence.trials
    files = [trial.checkpoint for trial in trials if trial.checkpoint]
    there = {
        "accuracy on test images": any(run.accuracy("pruned") for run in runs),
        "accuracy on training images": any(run.accuracy("pruned", "train") for run in runs),
        "multiply-adds": any(file.macs for file in files),
        "latency": any(file.latency for file in files),
        "layers by themselves": any(trial.by_layer for trial in trials),
        "epochs of fine-tuning": evidence.group.traced,
    }
    missing = [what for what, is_there in there.items() if not is_there]
    return not missing, f"not evaluated: {few(missing, len(there))}" if missing else few(list(there), len(there))


def _fall(run: Run) -> float | None:
    """By how much a run's accuracy is below the dense networks', in percentage points."""
    pruned, dense = run.accuracy("pruned"), run.accuracy("dense")
    return None if pruned is None or dense is None else dense.mean - pruned.mean
