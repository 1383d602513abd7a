"""What a new thing costs: a function and a row. Each family gets one from outside, and the stages use it by name."""

import json
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import apcli
from apcli.criteria import METHODS
from apcli.errors import UsageError
from apcli.figures import FIGURES, FigureRow
from apcli.figures.canvas.marks import Dots, Drawing
from apcli.projections import COVARIANCES, DISTRIBUTIONS, ELLIPTICAL, CovarianceRow, DistributionRow
from apcli.records import KINDS, lines
from apcli.records.json_objects import Record, documented
from apcli.registry.tables import Row
from apcli.stages.report.runs.quantities import measures_of
from apcli.theory import MEASURES, MeasureRow
from apcli.theory.covariances.families import diag
from apcli.theory.distributions.gaussian import GaussianPair
from apcli.theory.distributions.shifts import Shift
from apcli.theory.sampling.functionals import Estimate, renyi

HERE = __name__


def odd_first(magnitude, generator):
    """Ranks: weights whose bits are odd go first."""
    return np.where(magnitude % 2 == 1, 1, 2).astype(magnitude.dtype) * (magnitude != 0)


def half_as_far(shift, *, closer):
    """Gaussians, ``closer`` times nearer to each other than the weights are."""
    return GaussianPair(Shift.of_one_scale(shift.delta / closer, shift.dim))


def doubled_diag(dense, pruned, scale, pruned_scale):
    """Twice the standard deviations of ``diag``."""
    return diag(dense, pruned, 2 * scale, pruned_scale, pruned_cov="same")


def chi_squared(pair):
    """int (p - q)^2 / q."""
    return math.expm1(pair.renyi(2.0))


def drawn_chi_squared(draws, pair, points):
    """From draws."""
    found = renyi(draws, pair, points, alpha=2.0)
    return Estimate(math.expm1(found.value), math.exp(found.value) * found.std_error)


def own_variance(dense, pruned, scale, pruned_scale):
    """The variance of the pruned rows, whichever file they come from."""
    return diag(pruned, pruned, scale, pruned_scale, pruned_cov="same")


def one_dot(study):
    """As high as there are series."""
    dot = Dots([(5, 50 - len(study.series))], "ink")
    return Drawing("A dot", "A dot.", 10, 50, (dot,), {"height": (len(study.series),)})


@dataclass(frozen=True, kw_only=True)
class Remark(Record):
    """A record that says something."""

    kind: ClassVar[str] = "remark"
    version: ClassVar[int] = 3

    words: Annotated[str, "what it says"]


def row(kind, name, function, **more):
    return kind(name, f"{HERE}:{function.__name__}", "from outside", "this test", **more)


CRITERION = row(Row, "odd-first", odd_first, needs=("magnitudes",))
COVARIANCE = row(CovarianceRow, "doubled-diag", doubled_diag, needs=("weights",), caveat="is twice as wide.")
MEASURE = row(MeasureRow, "chi-squared", chi_squared, unit="chi squared", drawn=f"{HERE}:{drawn_chi_squared.__name__}")
DISTRIBUTION = row(
    DistributionRow,
    "half-as-far",
    half_as_far,
    needs=("weights",),
    parameters={"closer": 2.0, **ELLIPTICAL},
    choices={"cov": COVARIANCES},
)
OWN_VARIANCE = row(CovarianceRow, "own-variance", own_variance, needs=("weights",))
DOT = row(FigureRow, "one-dot", one_dot, title="A dot")
REMARK = row(Row, "remark", Remark)


@pytest.fixture
def files(tmp_path):
    draw = torch.Generator().manual_seed(0)
    save_file({"fc.weight": 0.05 * torch.randn(6, 8, generator=draw)}, tmp_path / "net.safetensors")
    (pruned,) = apcli.prune(tmp_path / "net.safetensors", sparsity=0.25, output=tmp_path / "pruned.safetensors")
    return tmp_path / "net.safetensors", pruned.path


def moved(files):
    dense, pruned = (load_file(file)["fc.weight"].double().numpy() for file in files)
    return dense, dense - pruned


def records(files, **options):
    return list(apcli.divergence(*files, level="network", **options))


def test_a_criterion(files, tmp_path):
    with METHODS.adding(CRITERION):
        (pruned,) = apcli.prune(files[0], method="odd-first", sparsity=0.1, output=tmp_path / "odd.safetensors")
    weights = load_file(files[0])["fc.weight"].numpy().ravel()
    gone = load_file(pruned.path)["fc.weight"].numpy().ravel() == 0
    odd = weights.view(np.uint32) % 2 == 1
    assert gone.sum() == round(0.1 * 48) < odd.sum()
    assert odd[gone].all()
    assert pruned.path.name == "odd.safetensors"
    with pytest.raises(UsageError, match="unknown method 'odd-first'"):
        apcli.prune(files[0], method="odd-first", sparsity=0.1)


def test_a_measure_has_its_closed_form_its_draws_its_unit_and_its_sums(files):
    _, difference = moved(files)
    square = float((difference**2).sum())
    with MEASURES.adding(MEASURE):
        exact, laplace = records(files, dist="gaussian,laplace", measure="chi-squared")
        assert exact.value == pytest.approx(math.expm1(square), rel=1e-12)
        sizes = np.abs(difference)
        affinity = np.prod(2 / 3 * np.exp(sizes) + np.exp(-2 * sizes) / 3)  # int p^2 / q of Laplace laws, by coordinate
        assert laplace.value == pytest.approx(affinity - 1, rel=1e-10)
        (drawn,) = records(files, dist="gaussian", measure="chi-squared", estimator="mc", samples=20_000)
        assert drawn.estimator == "mc"
        assert abs(drawn.value - exact.value) < 4 * drawn.std_error
        (measure,) = measures_of([exact])
        assert (measure.label, measure.unit) == ("AP3 gaussian (chi-squared)", "chi squared")
    assert measures_of([exact])[0].unit == "chi-squared", "of a record whose measure is not known here, its name"


def test_a_distribution_and_a_covariance(files):
    dense, difference = moved(files)
    square = float((difference**2).sum())
    variance = (5 * dense.var(0, ddof=1) + dense.var(0, ddof=1).mean()) / 6
    with DISTRIBUTIONS.adding(DISTRIBUTION), COVARIANCES.adding(COVARIANCE):
        plain, near, wide = records(files, dist="gaussian,half-as-far:closer=4,gaussian:cov=doubled-diag")
        assert plain.value == pytest.approx(square / 2, rel=1e-12)
        assert near.value == pytest.approx(square / 2 / 16, rel=1e-12)
        assert near.params["closer"] == 4.0
        assert wide.value == pytest.approx(float((difference**2 / variance).sum()) / 2 / 4, rel=1e-12)


def test_a_covariance_of_the_pruned_weights_is_measured_for_each_file(files, tmp_path):
    dense, _ = moved(files)
    (other,) = apcli.prune(files[0], sparsity=0.5, output=tmp_path / "other.safetensors")
    with COVARIANCES.adding(OWN_VARIANCE):
        found = list(
            apcli.divergence(*files[1:], other, dense=files[0], dist="gaussian:cov=own-variance", level="network")
        )
    for record, file in zip(found, (files[1], other.path), strict=True):
        pruned = load_file(file)["fc.weight"].double().numpy()
        variance = (5 * pruned.var(0, ddof=1) + pruned.var(0, ddof=1).mean()) / 6
        assert record.value == pytest.approx(float(((dense - pruned) ** 2 / variance).sum()) / 2, rel=1e-12)


@pytest.mark.slow
def test_a_report_names_a_distribution_and_says_the_caveat_of_a_covariance(files):
    with DISTRIBUTIONS.adding(DISTRIBUTION), COVARIANCES.adding(COVARIANCE):
        page = apcli.report_html(records(files, dist="half-as-far:closer=4,gaussian:cov=doubled-diag"))
    assert "AP3 half-as-far" in page
    assert "is twice as wide." in page


@pytest.mark.slow
def test_a_figure(files):
    with FIGURES.adding(DOT):
        page = apcli.report_html(records(files))
    assert "from outside</figcaption>" in page
    assert "from outside" not in apcli.report_html(records(files))


@pytest.mark.slow
def test_a_record_kind(files, caplog):
    line = lines.dump(Remark(words="kept").to_json())
    assert json.loads(line) == {"kind": "remark", "version": 3, "words": "kept"}
    with KINDS.adding(REMARK):
        (remark,) = lines.load([line], "f")
        assert remark == Remark(words="kept")
        assert list(documented(REMARK.load()))[-1] == ("words", "text", "what it says")
        with pytest.raises(Exception, match="f, line 1 has words 3: expected text"):
            list(lines.load(['{"kind": "remark", "version": 3, "words": 3}'], "f"))
        apcli.report_html([remark, *records(files)])
        assert "1 record of kind remark left out: the report has no section for that kind" in caplog.messages
    (other,) = lines.load([line], "f")
    assert lines.dump(other.to_json()) == line, "a kind that is not known is kept whole"


def test_a_name_that_is_taken_is_refused_and_rows_go_again():
    with pytest.raises(ValueError, match="has a row 'lowest'"), METHODS.adding(row(Row, "lowest", odd_first)):
        pass
    before = METHODS.names
    with METHODS.adding(CRITERION):
        assert METHODS.names == [*before, "odd-first"]
    assert METHODS.names == before
