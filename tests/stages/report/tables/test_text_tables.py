"""The tables of the report, against the runs that they show."""

from studies import only_group

from apcli.stages.report.comparisons.agreement import agreements_of
from apcli.stages.report.comparisons.ranking import rankings
from apcli.stages.report.tables.text_tables import (
    bounds_table,
    broken_table,
    order_table,
    ranking_table,
    runs_tables,
)
from apcli.stages.report.words import estimate, number


def test_a_row_per_run_with_its_values(small):
    group = only_group(small)
    (table,) = runs_tables(group)
    assert [(row[0], row[1]) for row in table.rows] == [(run.method, f"{run.sparsity:g}") for run in group.runs]
    column = table.head.index("AP2")
    for row, run in zip(table.rows, group.runs, strict=True):
        assert len(row) == len(table.head)
        assert row[column].startswith(f"{number(run.final(group.measures[0].key).mean)} ± ")


def test_many_measures_have_a_table_of_their_own(twelve_measures):
    group = only_group(twelve_measures)
    accuracies, aps = runs_tables(group)
    assert aps.head[2:] == [f"{m.label}, nats" if m.unit == "nats" else m.label for m in group.measures]
    assert not any(measure.label in accuracies.head for measure in group.measures)


def test_ranking_rows_stand_in_the_order_of_their_tau(twelve_measures):
    group = only_group(twelve_measures)
    made = rankings(agreements_of(group))
    table = ranking_table(group, made)
    assert len(table.rows) == sum(len(ranking.places) for ranking in made)
    taus = [float(row[3].replace("−", "-")) for row in table.rows[: len(made[0].places)]]
    assert taus == sorted(taus, reverse=True)
    assert table.rows[0][6] == "the best"


def test_order_rows_say_how_many_pairs_agree(small):
    group = only_group(small)
    agreements = agreements_of(group)
    table = order_table(group, agreements)
    overall = next(a for a in agreements if a.sparsity is None)
    assert table.rows[0][0] == "all"
    assert overall.measure.label in table.rows[0][1]
    assert table.rows[0][2] == f"{overall.words} · {overall.agree} of {overall.pairs}"
    assert [row[0] for row in table.rows] == sorted(row[0] for row in table.rows)


def test_broken_pairs_are_those_of_all_runs(twelve_measures):
    group = only_group(twelve_measures)
    agreements = agreements_of(group)
    table = broken_table(group, agreements)
    pairs = {(a.moment, a.target.label, p.names) for a in agreements if a.over == "all" for p in a.broken}
    assert len(table.rows) == len(pairs) > 0
    assert {row[6] for row in table.rows} == {"within their spread", "beyond their spread"}


def test_bounds_of_a_kl_beside_its_value(fourteen_measures, small):
    group = only_group(fourteen_measures)
    table = bounds_table(group)
    first = next(m for m in group.measures if group.runs[0].tv_bounds(m.key)[0])
    assert table.rows[0] == [first.label, group.runs[0].name, estimate(group.runs[0].final(first.key)), "0.25", "0.75"]
    assert bounds_table(only_group(small)).rows == []
