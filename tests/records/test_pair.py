"""Files of a pair are told apart by their bytes, or by their paths."""

import pytest

from apcli.records.pair import File


@pytest.mark.parametrize(
    ("file", "identity"),
    [(File("a/x", "12"), "12"), (File(None, "12"), "12"), (File("a/x", None), "a/x"), (File(), "")],
)
def test_the_identity_of_a_file(file, identity):
    assert file.identity == identity
    assert "identity" not in file.to_json()
