"""The networks and the images: what both are run on, and how often."""

import numpy as np
import pytest
import torch
from scipy import optimize, special
from short_trainings import quiet

from apcli.checkpoints.reading import read
from apcli.configs.behaviour import BehaviourConfig
from apcli.data.datasets import load
from apcli.errors import UsageError
from apcli.networks import Networks
from apcli.probes.outcomes import logits
from apcli.stages.behaviour import networks
from apcli.stages.behaviour.networks import Images, Runs, Shift, shifts_of
from apcli.training.forward import Forward


def runs(**options):
    return Runs(BehaviourConfig(**{"device": "cpu", **options}), quiet)


def seen_as_they_are(runs, dense, pruned):
    images, before, after = runs.both(read(dense), read(pruned))
    return images, before[None], after[None]


def test_every_image_is_seen_once_and_temperatures_have_images_of_their_own():
    dataset = load("digits", ".")
    found = Images.of(dataset, BehaviourConfig(validation=0.25))
    assert (found.evaluated, found.fitted) == ({"data": "digits", "split": "test", "images": 355}, 89)
    assert found.places.sort().values.tolist() == list(range(355))
    fitting, measuring = found.parts
    assert (len(fitting), len(measuring)) == (89, 266)
    assert torch.equal(torch.cat([fitting.labels, measuring.labels]), dataset.test.labels[found.places])
    some = Images.of(dataset, BehaviourConfig(split="train", images=100, validation=0))
    assert (some.evaluated["images"], some.fitted, len(some.parts[1])) == (100, 0, 100)


def test_what_a_network_makes_of_the_images(dense, pruned):
    images, before, after = seen_as_they_are(runs(batch_size=64), dense, pruned)
    own = Networks(BehaviourConfig().data, None, torch.device("cpu"), quiet)
    spec, dataset = own.spec_and_data(read(dense))
    network = own.network(spec, read(dense)).eval()
    pixels, labels = (torch.cat(part) for part in zip(*_batches(dataset.test, spec), strict=True))
    values, _ = logits(network, lambda: iter([(pixels, labels)]))
    values, labels = values.numpy()[images.places], labels.numpy()[images.places]
    assert np.array_equal(before.all.labels, labels)
    assert np.array_equal(before.all.predictions, values.argmax(axis=1))
    losses = -np.take_along_axis(special.log_softmax(values, 1), labels[:, None], 1)[:, 0]
    assert before.all.losses == pytest.approx(losses, abs=1e-5)
    assert before.measured.losses == pytest.approx(losses[images.fitted :], abs=1e-5)
    fitting = values[: images.fitted], labels[: images.fitted]

    def loss(t):
        return -np.take_along_axis(special.log_softmax(fitting[0] / t, 1), fitting[1][:, None], 1).mean()

    assert before.temperature == pytest.approx(optimize.minimize_scalar(loss, bounds=(0.1, 10)).x, rel=1e-3)
    scaled = special.softmax(values[images.fitted :] / before.temperature, axis=1)
    assert before.scaled.confidences == pytest.approx(scaled.max(axis=1), abs=1e-5)
    assert after.all.losses.mean() > before.all.losses.mean()


def _batches(split, spec):
    return networks.batches_of(split, spec, 50)()


def test_a_dense_network_runs_once_for_several_pruned_ones(dense, pruned):
    found = runs(images=20, validation=0)
    first, second = (seen_as_they_are(found, dense, other) for other in (pruned, dense))
    assert second[1] is first[1]
    assert second[2] is not first[1]
    assert np.array_equal(second[2].all.losses, first[1].all.losses)
    assert (first[1].temperature, first[1].scaled) == (None, None)
    assert first[1].measured is first[1].all


def test_layers_are_compared_on_some_of_the_images(dense, pruned):
    found = runs(images=90, feature_images=50).features(read(dense), read(pruned), ["fc1.weight", "fc5.weight"])
    assert (found.images, list(found.layers)) == (50, ["fc1.weight", "fc5.weight"])
    assert found.layers["fc1.weight"].relative == 0, "fc4 and fc5 were pruned"
    assert found.layers["fc5.weight"].relative > 0


def test_shifts_are_listed_with_their_severities():
    assert shifts_of(None) == ()
    assert shifts_of("noise:severity=2,blur:severity=4..5,noise:severity=1..2") == (
        *(Shift("noise", 2), Shift("blur", 4), Shift("blur", 5), Shift("noise", 1)),
    )
    assert len(shifts_of("jpeg,contrast")) == 10
    with pytest.raises(UsageError, match="unknown shift 'fog'"):
        runs(shift="fog")


def test_both_networks_see_the_same_shifted_images(dense, pruned):
    found = runs(shift="noise:severity=5", images=100, batch_size=64)
    images, before, _ = found.both(read(dense), read(pruned))
    (as_they_are, noisy) = before
    assert (as_they_are, noisy) == (None, Shift("noise", 5))
    assert np.array_equal(before[noisy].all.labels, before[None].all.labels)
    assert before[noisy].temperature == before[None].temperature
    assert not np.array_equal(before[noisy].all.losses, before[None].all.losses)
    spec, _ = found._networks.spec_and_data(read(dense))
    first, second = (torch.cat([pixels for pixels, _ in noisy.batches(images.parts[1], spec)()]) for _ in range(2))
    assert torch.equal(first, second)
    other = runs(shift="noise:severity=5", images=100, batch_size=7).both(read(dense), read(dense))
    assert np.array_equal(other[1][noisy].all.predictions, before[noisy].all.predictions), "in batches of any size"
    assert np.array_equal(other[2][noisy].all.losses, other[1][noisy].all.losses)
    bare = runs(shift="noise:severity=5", images=100, validation=0).both(read(dense), read(pruned))[1][noisy]
    assert (bare.temperature, bare.scaled, len(bare.all.labels)) == (None, None, 100)


def test_where_memory_runs_out_the_batch_is_halved(dense, pruned, monkeypatch, caplog):
    """That of shifted images too, of which as many share a generator as before."""

    class Small(Forward):
        def __call__(self, images):
            if len(images) > 64:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().__call__(images)

    pair, options = (read(dense), read(pruned)), {"shift": "noise:severity=5", "batch_size": 100}
    _, whole, _ = runs(**options).both(*pair)
    assert "memory ran out" not in caplog.text
    monkeypatch.setattr(networks, "Forward", Small)
    _, halves, _ = runs(**options).both(*pair)
    for size, half in ((100, 50), (128, 64)):
        assert f"memory ran out with {size} images at a time: they are measured again, {half} at a time" in caplog.text
    for shift, seen in whole.items():
        assert np.array_equal(halves[shift].all.predictions, seen.all.predictions)
        assert halves[shift].all.losses == pytest.approx(seen.all.losses, abs=1e-5)
    with pytest.raises(torch.OutOfMemoryError):
        runs(batch_size=300).both(*pair)
