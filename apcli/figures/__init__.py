"""The figures of a report: a row for each, and a file for the function that draws it.

A figure is drawn from a ``study.Study``: numbers in, a ``Drawing`` out, whose marks become SVG, PNG or PDF. On a
logarithmic axis a value that is zero, negative or not known is a gap, and a line of the figure says so. A function that
has nothing to show raises ``Missing`` with the reason.
"""

from dataclasses import dataclass
from typing import Literal

from apcli.registry.tables import Row, Table

_PAPER = "arXiv:2403.00155, where PD and AP are compared"
_OVER_EPOCHS = "Lines are means over networks; bands reach from the lowest network to the highest."


@dataclass(frozen=True)
class FigureRow(Row):
    """A figure: ``target(study)`` draws it, or ``target(study, of)`` if it is drawn ``per`` method or sparsity.

    ``title`` is its name in a sentence, and ``summary`` its caption, in which ``{}`` stands for the method or sparsity.
    ``spread`` is added to the caption if runs have several networks. ``section`` is the part of the page where it
    stands, and ``numbers`` are those of the paper's figures that show the same. One with ``narrow`` also takes a
    ``width``, and is drawn for narrow screens too.
    """

    title: str = ""
    per: Literal["method", "sparsity"] | None = None
    spread: str = ""
    section: str = "divergence"
    numbers: str = ""
    narrow: bool = False


FIGURES = Table(
    "figure",
    (
        FigureRow(
            "overview",
            "apcli.figures.overview:overview",
            "Accuracy is top-1 on the test split; controls are dotted. Beside or below it: one point for each network "
            "and epoch, joined by a thin line; logarithmic axes.",
            "Blalock et al. 2020, arXiv:2003.03033, section 7",
            title="The study at a glance",
            narrow=True,
            section="overview",
        ),
        FigureRow(
            "accuracy",
            "apcli.figures.accuracy:accuracy",
            "Top-1 on the test split. Dotted: controls, which remove at random; a method that is not above them "
            "is no better than chance. The sparsities are spaced by the logarithm of 1 / (1 − sparsity).",
            "Blalock et al. 2020, arXiv:2003.03033, section 7",
            title="Accuracy over sparsity",
            spread="Bars reach from the lowest network to the highest.",
            section="accuracy",
        ),
        FigureRow(
            "cost",
            "apcli.figures.cost:cost",
            "Final top-1 on the test split against what the network costs; a line leads through a method’s sparsities. "
            "Multiply-adds are counted for weights that are not zero, whether or not a machine gains from them.",
            "Blalock et al. 2020, arXiv:2003.03033, section 7",
            title="Accuracy against cost",
            spread="Bars reach from the lowest network to the highest.",
            section="cost",
        ),
        FigureRow(
            "by-sparsity",
            "apcli.figures.by_epoch:by_sparsity",
            "{}: each measure over the epochs of fine-tuning, one line for each sparsity.",
            _PAPER,
            title="Fixed method, every sparsity",
            per="method",
            spread=_OVER_EPOCHS,
            section="epochs",
            numbers="2–16",
        ),
        FigureRow(
            "by-method",
            "apcli.figures.by_epoch:by_method",
            "Sparsity {}: each measure over the epochs of fine-tuning, one line for each method.",
            _PAPER,
            title="Fixed sparsity, every method",
            per="sparsity",
            spread=_OVER_EPOCHS,
            section="epochs",
            numbers="2–16",
        ),
        FigureRow(
            "training",
            "apcli.figures.training:training",
            "Means over networks, by epoch of fine-tuning; the training split is dashed.",
            _PAPER,
            title="Fine-tuning curves",
            section="epochs",
        ),
        FigureRow(
            "over-sparsity",
            "apcli.figures.over_sparsity:over_sparsity",
            "Each measure in the files as they stand, one line for each method.",
            _PAPER,
            title="Final values over sparsity",
            spread="Bars reach from the lowest network to the highest.",
        ),
        FigureRow(
            "ap2-against-ap3",
            "apcli.figures.ap2_against_ap3:ap2_against_ap3",
            "One path for each network through its epochs, from a hollow sign to a filled one; logarithmic axes. Where "
            "AP3 is proportional to AP2, all points are on one line.",
            _PAPER,
            title="AP3 against AP2",
            numbers="17",
        ),
        FigureRow(
            "against-pd",
            "apcli.figures.against_pd:against_pd",
            "One sign for each run, means over its networks; logarithmic axes. τ is Kendall’s rank correlation of the "
            "runs.",
            _PAPER,
            title="Divergence against PD",
            section="order",
        ),
        FigureRow(
            "ranking",
            "apcli.figures.ranking:ranking",
            "Kendall’s τ over all runs with its 95 % bootstrap interval.",
            "Kendall 1945, doi:10.1093/biomet/33.3.239; Efron 1979, doi:10.1214/aos/1176344552",
            title="Which projection orders PD best",
            section="order",
        ),
        FigureRow(
            "ranking-by-epoch",
            "apcli.figures.ranking_by_epoch:ranking_by_epoch",
            "Kendall’s τ between each measure and PD, over the runs at each epoch of fine-tuning; epoch 0 is right "
            "after pruning. Bands are its 95 % bootstrap interval.",
            "Kendall 1945, doi:10.1093/biomet/33.3.239",
            title="Does the order hold through fine-tuning",
            section="order",
        ),
        FigureRow(
            "bound-slack",
            "apcli.figures.bound_slack:bound_slack",
            "One sign for each pruned file: the bound over the quantity that it bounds (of a lower bound, the "
            "inverse), logarithmic. At 1 a bound is exact; left of it, it is broken.",
            "arXiv:2403.00155, section 4",
            title="How far the bounds are from what was measured",
            section="bounds",
        ),
        FigureRow(
            "bounds-against-pd",
            "apcli.figures.bounds_against_pd:bounds_against_pd",
            "One sign for each pruned file; logarithmic axes, the same for all statements about loss, and for those "
            "about accuracy. On the dashed line the bound is what was measured.",
            "arXiv:2403.00155, section 4",
            title="Bounds against the measured PD",
            section="bounds",
        ),
        FigureRow(
            "loss-by-sparsity",
            "apcli.figures.loss_by_sparsity:loss_by_sparsity",
            "The training loss when the smallest weights go and the others stay, as measured and by the curvature "
            "alone. Each limit is a vertical line at the sparsity up to which it allows to prune; that of one-shot "
            "pruning is where the measured loss rises by ε.",
            "arXiv:2306.05857",
            title="Loss against sparsity, and the limits",
            section="limit",
        ),
        FigureRow(
            "spectral-density",
            "apcli.figures.spectral_density:spectral_density",
            "Eigenvalues of the curvature of the training loss by stochastic Lanczos quadrature; the short lines are "
            "the Ritz values. Directions far to the right of the dashed line must be kept, those far to the left may "
            "go: on it, the loss rises by ε over the length R of the weights removed.",
            "arXiv:2306.05857; Ubaru, Chen and Saad 2017, doi:10.1137/16M1104974",
            title="Spectrum of the curvature",
            section="limit",
        ),
        FigureRow(
            "class-changes",
            "apcli.figures.class_changes:class_changes",
            "A row for each class, a column for each run, by sparsity below a method’s sign: the accuracy that is lost "
            "on the images of the class, mean over files. What a class gains counts as 0.",
            "Hooker et al. 2019, arXiv:1911.05248",
            title="Which classes pay",
            section="behaviour",
        ),
        FigureRow(
            "depth-profile",
            "apcli.figures.depth_profile:depth_profile",
            "Debiased linear CKA of the outputs of each layer in the dense and the pruned network: 1 if they are alike "
            "but for a rotation and a factor. Layers are numbered in the order in which the network calls them.",
            "Kornblith et al. 2019, arXiv:1905.00414; Nguyen et al. 2021, arXiv:2010.15327",
            title="Where the networks part",
            section="behaviour",
        ),
        FigureRow(
            "calibration",
            "apcli.figures.calibration:calibration",
            "Mean gap of confidence and accuracy, debiased, mean over files; the dashed line is the dense networks’. A "
            "temperature is fitted for each network on other images.",
            "Guo et al. 2017, arXiv:1706.04599; Kumar et al. 2019, arXiv:1909.10155",
            title="Calibration over sparsity",
            section="behaviour",
        ),
        FigureRow(
            "information",
            "apcli.figures.information:information",
            "How much each two layers depend on each other (debiased nHSIC), in the dense network and for one file of "
            "each method at its highest sparsity; rows and columns are layers in order. Estimates below 0 count as 0.",
            "ITPruner, arXiv:2108.08532",
            title="How information flows",
            section="behaviour",
        ),
        FigureRow(
            "layers",
            "apcli.figures.layers:layers",
            "A row for each layer, a column for each run, by sparsity below a method’s sign; means over networks. "
            "Divergences are coloured by their logarithm.",
            _PAPER,
            title="Layer by layer",
            section="layers",
        ),
        FigureRow(
            "single-layers",
            "apcli.figures.layers:single_layers",
            "Each layer was pruned alone: its share of the sum over these layers, of PD and of each divergence.",
            "sensitivity of single layers, as in Li et al. 2017, arXiv:1608.08710, section 3.2",
            title="Which layer does the harm",
            section="layers",
        ),
        FigureRow(
            "widths",
            "apcli.figures.widths:widths",
            "A row for each layer or group of coupled channels, a column for each run with a budget; means over "
            "networks.",
            "Zheng et al. 2025, IJCV 133:5455, arXiv:2108.08532",
            title="Widths that a budget left",
            section="widths",
        ),
        FigureRow(
            "dependence",
            "apcli.figures.dependence:dependence",
            "nHSIC between what layers read on the images, debiased unless the scope says otherwise; the last two rows "
            "are the images and the labels. A layer with a pale row depends on the others little, and keeps more.",
            "Zheng et al. 2025, IJCV 133:5455, arXiv:2108.08532, figure 10",
            title="nHSIC between layers",
            section="widths",
        ),
        FigureRow(
            "dependence-by-epoch",
            "apcli.figures.dependence_by_epoch:dependence_by_epoch",
            "A line for each layer, debiased nHSIC of what it makes with the images and with the labels; epoch 0 is "
            "right after pruning. In a phase of compression the lines of the images fall.",
            "Zheng et al. 2025, IJCV 133:5455, arXiv:2108.08532, figure 9",
            title="nHSIC through fine-tuning",
            section="bounds",
        ),
        FigureRow(
            "weights",
            "apcli.figures.weights:weights",
            "One network of each method at its highest sparsity, logarithmic axis; weights that are exactly zero are a "
            "bar of their own. Dashed within a wide line: both states are the same. Of large networks, every k-th "
            "weight is counted.",
            "Han et al. 2015, arXiv:1506.02626, figure 8",
            title="Weights before and after",
            section="layers",
        ),
    ),
)
