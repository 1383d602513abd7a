"""The keywords of the Python functions: their types, and signatures that show them."""

import inspect
from typing import Any

import pytest

from apcli.configs import keywords
from apcli.configs.describe import CostsConfig
from apcli.configs.divergence import DivergenceConfig
from apcli.configs.prune import PruneConfig
from apcli.configs.training import FinetuneConfig, TrainConfig
from apcli.configs.values import defaults_of


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (keywords.TrainKeywords, TrainConfig),
        (keywords.PruneKeywords, PruneConfig),
        (keywords.FinetuneKeywords, FinetuneConfig),
        (keywords.DivergenceKeywords, DivergenceConfig),
        (keywords.CostsKeywords, CostsConfig),
    ],
)
def test_every_keyword_of_a_config_has_a_type_and_no_other(kind, config):
    assert set(inspect.get_annotations(kind)) == set(defaults_of(config))


def test_a_function_shows_its_keywords_and_refuses_others():
    @keywords.with_keywords(keywords.CostsKeywords, CostsConfig)
    def described(checkpoint: str, **given: Any) -> tuple[str, dict[str, Any]]:
        """What it says."""
        return checkpoint, given

    shown = inspect.signature(described).parameters
    assert list(shown) == ["checkpoint", *defaults_of(CostsConfig)]
    assert (shown["runs"].default, shown["runs"].annotation) == (50, int)
    assert shown["runs"].kind is inspect.Parameter.KEYWORD_ONLY
    assert described.__doc__ == "What it says."
    assert described("a", runs=3) == ("a", {"runs": 3}), "what is not given stays out"
    with pytest.raises(TypeError, match="'rnus'"):
        described("a", rnus=3)
    with pytest.raises(TypeError, match="'checkpoint'"):
        described()
