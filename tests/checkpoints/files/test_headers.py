"""Strangers' metadata: kept, in a fixed order."""

from pathlib import Path

from apcli.checkpoints.files.headers import of_index, of_one_file, ordered


def test_format_is_first_the_others_are_sorted_and_the_lineage_is_not_among_them():
    said = {"ss_rank": "4", "author": "me", "format": "mlx", "apcli": "{}"}
    assert list(ordered(said).items()) == [("format", "mlx"), ("author", "me"), ("ss_rank", "4")]
    assert ordered({}) == {"format": "pt"}


def test_several_files_that_become_one_keep_their_texts():
    index, one, two = Path("m.safetensors.index.json"), Path("1.safetensors"), Path("2.safetensors")
    said = {
        index: {"total_size": "8", "total_parameters": 2, "tool": "x", "version": 1},
        one: {"format": "mlx", "part": "1"},
        two: {"format": "pt", "total_size": "a stranger's"},
    }
    assert of_one_file(said) == {"tool": "x", "format": "mlx", "part": "1", "total_size": "a stranger's"}


def test_an_index_does_not_keep_what_is_no_longer_so():
    said = {"total_size": 8, "total_parameters": 2, "tool": "x"}
    assert of_index(said, same_numbers=True) == {"total_parameters": 2, "tool": "x"}
    assert of_index(said, same_numbers=False) == {"tool": "x"}
