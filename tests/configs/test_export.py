"""Options of ``apcli export``."""

import pytest

from apcli.configs.export import ExportConfig
from apcli.errors import UsageError


def test_a_product_takes_any_number_of_images_or_one_or_more() -> None:
    assert ExportConfig("onnx").batch_size is None
    assert ExportConfig("onnx", 1).batch_size == 1
    with pytest.raises(UsageError, match="--batch-size is 0: expected at least 1"):
        ExportConfig("onnx", 0)
