"""How budgets were shared: what was asked and got, and what each layer or channel group keeps, and why."""

import statistics
from collections.abc import Callable, Sequence

from apcli.checkpoints.promises import Spent
from apcli.stages.report.evidence.section import Section, named
from apcli.stages.report.runs.experiment import Group, Report
from apcli.stages.report.runs.widths import Shared, shared_of
from apcli.stages.report.tables.columns import Column, ReportTable, table_of

_INPUT, _LABELS = "input", "labels"  # names of the map's last rows


def widths(report: Report, group: Group) -> Section | None:
    """The section; None unless a file says how its amount was shared."""
    found = shared_of(group)
    if not found:
        return None
    tables = [table for table in (_budgets(found),) if table is not None]
    return Section((), tuple(tables), (_units(found),))


def _budgets(found: Sequence[Shared]) -> ReportTable | None:
    of_cost = [shared for shared in found if shared.budgets]
    if not of_cost:
        return None

    def share(of: Callable[[Spent], float]) -> tuple[float, ...]:
        return tuple(statistics.fmean(of(one) / one.dense for one in shared.budgets) for shared in of_cost)

    residuals = [shared.number("residual") for shared in of_cost]
    columns = [
        *named([shared.run for shared in of_cost]),
        Column("of", tuple(shared.budgets[0].resource for shared in of_cost)),
        Column("dense", tuple(shared.budgets[0].dense for shared in of_cost), decimals=0),
        Column("asked", share(lambda one: one.left), "share left", decimals=4),
        Column("got", share(lambda one: one.got), "share left", decimals=4),
        Column("residual", tuple(residuals), further=True),
        Column("files", tuple(len(shared.allocations) for shared in of_cost)),
    ]
    caption = (
        "What the network costs without what was removed, as a share of the dense one: never more than was asked. The "
        "residual is the largest violation of the conditions for the optimum, where a program was solved."
    )
    return table_of("budgets", "Budgets asked and got", columns, caption, keys=2)


def _units(found: Sequence[Shared]) -> ReportTable:
    listed = [(shared, unit) for shared in found for unit in shared.units]
    widths_of = [shared.widths(unit) for shared, unit in listed]
    whole = all(pair is None or pair[0] == int(pair[0]) for pair in widths_of)
    columns = [
        *named([shared.run for shared, _ in listed]),
        Column("layer or group", tuple(unit for _, unit in listed)),
        Column("before", tuple(pair and pair[1] for pair in widths_of), "width"),
        Column("after", tuple(pair and pair[0] for pair in widths_of), "width", decimals=0 if whole else 1),
        Column("share", tuple(shared.share(unit) for shared, unit in listed), "width", decimals=3),
        Column("importance", tuple(shared.evidence("importance", unit) for shared, unit in listed), decimals=3),
        Column("images", tuple(shared.nhsic(unit, _INPUT) for shared, unit in listed), "nHSIC with", decimals=3),
        Column("labels", tuple(shared.nhsic(unit, _LABELS) for shared, unit in listed), "nHSIC with", decimals=3),
    ]
    caption = "Means over files. Importance is relative to the most important layer of a network."
    return table_of("widths", "Every layer or channel group", columns, caption, keys=3)
