"""The difference of a pair, as the file stands and at each epoch of its trace."""

import numpy as np
import pytest
from measured_pairs import measured
from safetensors.numpy import load_file, save_file

from apcli.errors import ApcliError, UsageError


def test_differences_are_those_of_the_pruned_layers_in_float64(dense, pruned):
    pair = measured(dense, pruned)
    before, after = load_file(dense), load_file(pruned)
    assert [w.layer.name for w in pair.weights] == ["fc4", "fc5"]
    for w in pair.weights:
        expected = before[w.layer.tensor].astype(np.float64) - after[w.layer.tensor]
        assert w.difference.dtype == np.float64
        assert np.array_equal(w.difference, expected)
        assert w.ap2 == pytest.approx(float((expected**2).sum()), rel=1e-14)
    assert [(epoch, weights) for epoch, weights in pair.epochs()] == [(None, pair.weights)], "no trace"


def test_networks_are_built_when_they_are_asked_for(dense, pruned, tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file(load_file(dense), path)
    pair = measured(path, path)
    assert pair.weights[0].ap2 == 0
    with pytest.raises(UsageError, match="--model"):
        _ = pair.on_data


@pytest.mark.parametrize("place", [0, 1])
def test_a_weight_that_is_no_number_is_named(dense, pruned, tmp_path, place):
    paths = [dense, pruned]
    arrays = dict(load_file(paths[place]))
    arrays["fc5.weight"][0, :2] = np.nan
    paths[place] = tmp_path / "nan.safetensors"
    save_file(arrays, paths[place])
    with pytest.raises(ApcliError, match=r"nan\.safetensors: tensor fc5\.weight holds 2 NaN or Inf values"):
        _ = measured(*paths, layers="fc4,fc5").weights
