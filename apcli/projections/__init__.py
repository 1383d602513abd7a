"""Projections (``--dist``): from a layer's weights to a distribution's parameters (arXiv:2403.00155, Definition 2).

``COVARIANCES`` are the scale matrices of the elliptical ones. Rows that need ``data`` are measured on a network by
``apcli.probes``.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from apcli.registry.ranges import ANYTHING, NOT_NEGATIVE, POSITIVE, Allowed, Numbers, Words
from apcli.registry.tables import Call, Own, Parameter, Row, Table
from apcli.theory import SAME

ISOTROPIC = "identity"  # the ``cov`` with which AP3 is a strictly increasing function of AP2 (of the grouped weights)

_CORRELATION = Numbers(-1, 1, over=True, under=True)
_SCALES: dict[str, Allowed] = {"scale": POSITIVE, "pruned_scale": replace(POSITIVE, words=(SAME,))}
_OWN = Words((SAME, "own"))

LAYER_LOCAL = "sees how much the outputs of each layer change, not what later layers make of that change."
SECOND_ORDER = (
    "is a second-order expansion at the dense weights: good for small shifts. At large ones the loss saturates and "
    "this does not, so values, and orders, can go wrong there."
)
PREDICTIVE = (
    "is, on data that the dense network fits, nearly the loss difference itself, so agreement with PD there is no "
    "discovery. Its benefit is that it needs no labels: measure it on held-out data."
)


class Form(Enum):
    """The input and the result of a distribution's function."""

    NUMBER = auto()  # ``Shift`` → a number, which is its own measure instead of a distribution
    ELLIPTICAL = auto()  # ``Shift`` → a ``Pair``; ``cov`` chooses the scale matrices
    INDEPENDENT = auto()  # its parameters → a ``products.Family``, whose reduction makes the ``Pair``
    PREDICTIONS = auto()  # two networks' log-probabilities on the data → a ``Pair``, for the whole network


@dataclass(frozen=True, kw_only=True)
class CovarianceRow(Row):
    """A covariance; ``caveat`` is the end of a sentence that begins with its name: the limits of its values.

    ``in_words`` says what a divergence with it measures, for who reads no formula; empty: the summary says so.
    """

    caveat: str = ""
    in_words: str = ""


@dataclass(frozen=True, kw_only=True)
class DistributionRow(Row):
    """A distribution.

    Args:
        form: the input and the result of its function.
        label: its name in a report, if that is not AP3 with its own name.
        unit: of a ``NUMBER``; a divergence has its measure's unit.
        falls_with_distance: whether, with an isotropic scale, its density decreases with the distance from its centre.
        caveat: the end of a sentence that begins with its name: the limits of its values.
    """

    form: Form = Form.ELLIPTICAL
    label: str = ""
    unit: str = ""
    falls_with_distance: bool = False
    caveat: str = ""


COVARIANCES = Table(
    "covariance",
    (
        CovarianceRow(
            ISOTROPIC,
            "apcli.theory.covariances.families:identity",
            "one variance for all weights",
            "arXiv:2403.00155, 5.2",
        ),
        CovarianceRow(
            "diag",
            "apcli.theory.covariances.families:diag",
            "the variance of each column over the layer's rows (output units)",
            "sample variance, shrunk as by one more observation",
            ("weights",),
            {"pruned_cov": SAME},
            ranges={"pruned_cov": _OWN},
        ),
        CovarianceRow(
            "ar1",
            "apcli.theory.covariances.families:ar1",
            "correlation rho^|i-j| along each row",
            "arXiv:2403.00155, 5.4 asks for non-diagonal covariances; AR(1) is the simplest",
            (),
            {"rho": 0.5, "pruned_rho": SAME},
            ranges={"rho": _CORRELATION, "pruned_rho": replace(_CORRELATION, words=(SAME,))},
        ),
        CovarianceRow(
            "rows",
            "apcli.theory.covariances.families:rows",
            "full covariance of a row, estimated from the layer's rows with shrinkage",
            "Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4",
            ("weights",),
            {"shrinkage": "auto", "pruned_cov": SAME},
            ranges={"shrinkage": Numbers(0, 1, words=("auto",)), "pruned_cov": _OWN},
        ),
        CovarianceRow(
            "full",
            "apcli.theory.covariances.families:full",
            "full covariance of a row, or of the whole layer, from a file (safetensors or .npy)",
            "given",
            ("file",),
            {"path": "", "pruned_path": SAME},
            ranges={"path": ANYTHING, "pruned_path": ANYTHING},
        ),
        CovarianceRow(
            "activation",
            "apcli.probes.activations:activation",
            "precision = second moment of the layer's inputs (x) centring over outputs: 2 KL is the mean squared "
            "centred change of the outputs",
            "arXiv:2403.00155, 5.4 asks for it; second moment as in Martens & Grosse 2015, arXiv:1503.05671",
            ("data",),
            caveat=LAYER_LOCAL,
            in_words="moved weights count by how much they change the outputs of their own layer on the data",
        ),
        CovarianceRow(
            "fisher",
            "apcli.probes.curvature:fisher",
            "precision = diagonal of the dense network's Fisher information, damped",
            "Amari 1998; expectation over the network's own labels, or the data's",
            ("data",),
            {"labels": "model", "damping": 1e-6},
            ranges={"labels": Words(("model", "data")), "damping": NOT_NEGATIVE},
            caveat=SECOND_ORDER,
            in_words="each moved weight counts by how sensitive the dense network’s predictions are to it (Fisher "
            "information)",
        ),
        CovarianceRow(
            "gauss-newton",
            "apcli.probes.curvature:gauss_newton",
            "precision = the dense network's Gauss-Newton matrix, damped: KL is the second-order change of the loss",
            "Schraudolph 2002, doi:10.1162/08997660260028683",
            ("data",),
            {"damping": 1e-6},
            ranges={"damping": NOT_NEGATIVE},
            caveat=SECOND_ORDER,
            in_words="moved weights count by how much they change the loss of the dense network, to second order",
        ),
    ),
)


# The parameters of every elliptical family's scale matrices; a family's others belong to the distribution itself.
ELLIPTICAL: dict[str, Parameter] = {"cov": ISOTROPIC, "scale": 1.0, "pruned_scale": SAME, "groups": 0}
_COVARIANCE = {"cov": COVARIANCES}
_ELLIPTICAL_RANGES: dict[str, Allowed] = {**_SCALES, "groups": NOT_NEGATIVE}
_DEGREES = Numbers(0, over=True, infinite=True)  # inf is the Gaussian

DISTRIBUTIONS = Table(
    "distribution",
    (
        DistributionRow(
            "ap2",
            "apcli.theory.distributions.gaussian:squared_distance",
            "squared Euclidean distance of the dense and the pruned weights",
            "arXiv:2403.00155, Definition 1",
            ("weights",),
            {"groups": 0},
            ranges={"groups": NOT_NEGATIVE},
            form=Form.NUMBER,
            label="AP2",
            unit="squared distance",
        ),
        DistributionRow(
            "gaussian",
            "apcli.theory.distributions.gaussian:pair",
            "multivariate Gaussians",
            "arXiv:2403.00155, Definition 2 and equation (3)",
            ("weights",),
            ELLIPTICAL,
            _COVARIANCE,
            _ELLIPTICAL_RANGES,
            falls_with_distance=True,
            synonyms=("normal", "gauss", "mvn", "multivariate-gaussian"),
        ),
        DistributionRow(
            "student-t",
            "apcli.theory.distributions.student_t:pair",
            "multivariate Student-t distributions, by exact one-dimensional integrals",
            "arXiv:2403.00155, section 5.3; integrals in theory/distributions/student_t.py",
            ("weights",),
            {"df": 4.0, "pruned_df": SAME, **ELLIPTICAL},
            _COVARIANCE,
            {"df": _DEGREES, "pruned_df": replace(_DEGREES, words=(SAME,)), **_ELLIPTICAL_RANGES},
            falls_with_distance=True,
            synonyms=("t", "student", "studentt", "multivariate-t", "multivariate-student-t"),
        ),
        DistributionRow(
            "laplace",
            "apcli.theory.distributions.products:laplace",
            "independent Laplace distributions, one for each weight",
            "Gil, Alajaji & Linder 2013, doi:10.1016/j.ins.2013.06.018",
            ("weights",),
            {"scale": 1.0, "pruned_scale": SAME},
            ranges=_SCALES,
            form=Form.INDEPENDENT,
        ),
        DistributionRow(
            "cauchy",
            "apcli.theory.distributions.products:cauchy",
            "independent Cauchy distributions, one for each weight",
            "Chyzak & Nielsen 2019, arXiv:1905.10965; Nielsen & Okamura 2022, arXiv:2101.12459",
            ("weights",),
            {"scale": 1.0, "pruned_scale": SAME},
            ranges=_SCALES,
            form=Form.INDEPENDENT,
        ),
        DistributionRow(
            "predictive",
            "apcli.probes.predictions:predictive",
            "the network's own p(y | x; weights), averaged over the data; whole network, any structure",
            "arXiv:2403.00155, Definition 2 with the predictive distribution as the latent distribution",
            ("data",),
            form=Form.PREDICTIONS,
            caveat=PREDICTIVE,
            synonyms=("softmax", "logits", "output"),
        ),
    ),
    # A user's own is an elliptical family: its function makes a pair of distributions from a ``Shift``.
    Own(
        {"weights": Call(("shift",))},
        DistributionRow("", "", "", "", parameters=ELLIPTICAL, choices=_COVARIANCE, ranges=_ELLIPTICAL_RANGES),
    ),
)
