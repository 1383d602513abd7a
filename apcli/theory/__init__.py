"""The mathematics: numbers in, numbers out. No file, no model, no device.

``DISTRIBUTIONS`` are the projections of arXiv:2403.00155, Definition 2: a weight vector becomes a law's location.
"""

from apcli.registry import Parameter, Row, Table

ISOTROPIC = "identity"  # the ``cov`` with which AP3 is a strictly increasing function of AP2 (of the grouped weights)

_SHARED: dict[str, Parameter] = {"cov": ISOTROPIC, "scale": 1.0, "groups": 0}

DISTRIBUTIONS = Table(
    "distribution",
    (
        Row(
            "ap2",
            "apcli.theory.projections:ap2",
            "squared Euclidean distance of the dense and the pruned weights",
            "arXiv:2403.00155, Definition 1",
            ("weights",),
            {"groups": 0},
        ),
        Row(
            "gaussian",
            "apcli.theory.projections:gaussian",
            "KL of two Gaussians of one covariance (cov=identity or diag)",
            "arXiv:2403.00155, Definition 2 and equation (3)",
            ("weights",),
            _SHARED,
        ),
        Row(
            "student-t",
            "apcli.theory.projections:student_t",
            "KL of two multivariate Student-t laws of one scale matrix, exact",
            "arXiv:2403.00155, section 5.3; exact integral in theory/student_t.py",
            ("weights",),
            {"df": 4.0, **_SHARED},
        ),
    ),
)
