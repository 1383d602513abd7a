"""The divergence record: its bytes are a promise, and its columns are its fields."""

from dataclasses import replace

from apcli.records import lines
from apcli.records.divergence import Difference, DivergenceRecord, PerformanceDifference, TvBounds
from apcli.records.json_objects import columns_of
from apcli.records.pair import File, LayerSparsity

RECORD = DivergenceRecord(
    model="resnet20",
    seed=0,
    dense=File("a.safetensors", "0" * 4),
    pruned=File("b.safetensors", "1" * 4),
    method="lowest",
    sparsity=LayerSparsity(0.3, 0.3009),
    layer="conv1",
    filter=3,
    dim=27,
    dist="student-t",
    params={"df": 4.0, "pruned_df": "same"},
    measure="kl",
    estimator="exact",
    value=0.25,
    std_error=0.0,
    tv_bounds=TvBounds(0.1, None, 0.5, 0.6),
    pd=PerformanceDifference(test=Difference(0.5, 1.25)),
)
LINE = (
    '{"kind": "divergence", "version": 1, "model": "resnet20", "data": null, "seed": 0, '
    '"dense": {"path": "a.safetensors", "sha256": "0000"}, "pruned": {"path": "b.safetensors", "sha256": "1111"}, '
    '"method": "lowest", "scope": null, "mask_seed": null, "sparsity": {"requested": 0.3, "actual": 0.3009}, '
    '"layer": "conv1", "filter": 3, "dim": 27, "epoch": null, "dist": "student-t", '
    '"params": {"df": 4.0, "pruned_df": "same"}, '
    '"measure": "kl", "measure_params": {}, "estimator": "exact", "draws": null, "evaluated": null, "value": 0.25, '
    '"std_error": 0.0, "tv_bounds": {"lemma_1": 0.1, "lemma_1_best": null, "pinsker": 0.5, "bretagnolle_huber": 0.6}, '
    '"pd": {"test": {"loss": 0.5, "accuracy": 1.25}, "train": null}, '
    '"metrics": {"dense": null, "before": null, "pruned": null}}'
)


def test_the_line_is_the_contract():
    assert lines.dump(RECORD.to_json()) == LINE
    assert list(lines.load([LINE], "f")) == [RECORD]


def test_what_an_older_record_lacks_has_its_default():
    found = DivergenceRecord.from_json({"layer": "fc", "dist": "ap2", "params": None, "sparsity": None, "new": 1})
    assert found == DivergenceRecord(layer="fc", dist="ap2")


def test_what_is_compared_is_a_layer_or_one_of_its_filters():
    assert (RECORD.compared, replace(RECORD, filter=None).compared) == ("conv1[3]", "conv1")


def test_columns_are_the_fields():
    row = columns_of(RECORD)
    assert (row["dense_path"], row["sparsity_actual"], row["pd_test_accuracy"]) == ("a.safetensors", 0.3009, 1.25)
    assert (row["layer"], row["filter"]) == ("conv1", 3)
    assert (row["params"], row["tv_lemma_1"], row["tv_lemma_1_best"]) == ("df=4.0 pruned_df=same", 0.1, None)
    assert (row["draws"], row["dense_test_loss"], row["pruned_train_top5"]) == ("", None, None)
    assert row.keys() == columns_of(replace(RECORD, tv_bounds=None, pd=PerformanceDifference())).keys()
