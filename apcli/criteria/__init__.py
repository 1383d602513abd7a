"""Criteria: scores of weights or filters, larger = keep. The weights given to a criterion stay unchanged.

A row's ``needs`` determine the arguments of its function:

- ``magnitudes``: part of a layer's |w| as ordered integers, and a generator; returns ranks (``apcli.selection``);
- ``layer``: a layer's whole weight; returns scores;
- ``network``: a ``Subject``; returns scores by tensor name. With ``data``, the subject's batches are images and labels;
  with ``reconstruction``, it returns new weights, whose zeros are the mask; with ``steps``, it prunes in small steps;
- ``like``: another file, whose zeros are counted;
- ``training``: scores, weights, their gradients and the learning rate of a step; updates the scores in place.

``path/to/file.py:function`` is a criterion of a user's own. Its attribute ``needs`` says what it needs, as in
``function.needs = ("network", "data")``; without one it is called as those that need ``layer``.
"""

from apcli.registry.ranges import NOT_NEGATIVE, ONE_OR_MORE, POSITIVE
from apcli.registry.tables import Call, Own, Row, Table

METHODS = Table(
    "method",
    (
        Row(
            "lowest",
            "apcli.criteria.magnitude:lowest",
            "removes the weights of lowest magnitude",
            "Han et al. 2015, arXiv:1506.02626",
            ("magnitudes",),
            synonyms=("magnitude", "abs", "l1-unstructured", "large-final", "low"),
        ),
        Row(
            "highest",
            "apcli.criteria.magnitude:highest",
            "removes the weights of highest magnitude",
            "Mozafari-Nia & Sekeh 2024, arXiv:2403.00155, section 5",
            ("magnitudes",),
            synonyms=("magnitude-high", "high", "small-final"),
        ),
        Row(
            "random",
            "apcli.criteria.magnitude:random",
            "removes weights at random, uniformly",
            "Blalock et al. 2020, arXiv:2003.03033",
            ("magnitudes", "seed"),
            synonyms=("rand", "uniform", "random-unstructured"),
        ),
        Row(
            "random-same-layers",
            "apcli.criteria.magnitude:random",
            "removes weights at random, as many of each layer as are zero in the file --like names",
            "Blalock et al. 2020, arXiv:2003.03033, on layerwise controls; Su et al. 2020, arXiv:2009.11094",
            ("magnitudes", "seed", "like"),
        ),
        Row(
            "lamp",
            "apcli.criteria.lamp:lamp",
            "w^2 over the sum of the layer's squares that are no smaller; made for --scope global",
            "Lee et al. 2021, arXiv:2010.07611, equation (4)",
            ("layer",),
            synonyms=("layer-adaptive-magnitude",),
        ),
        Row(
            "taylor",
            "apcli.criteria.saliency:taylor",
            "(w g)^2, g the gradient of a batch's loss, averaged over batches",
            "Molchanov et al. 2019, arXiv:1906.10771, equation (8)",
            ("network", "data"),
            synonyms=("taylor-fo", "gradient", "grad", "first-order"),
        ),
        Row(
            "snip",
            "apcli.criteria.saliency:snip",
            "|w g|, g the gradient of the loss over all images",
            "Lee et al. 2019, arXiv:1810.02340, equation (6)",
            ("network", "data"),
        ),
        Row(
            "grasp",
            "apcli.criteria.saliency:grasp",
            "w (H g), H the loss's Hessian and g its gradient, of logits over a temperature",
            "Wang et al. 2020, arXiv:2002.07376, equation (8)",
            ("network", "data"),
            {"temperature": 200.0},
            ranges={"temperature": POSITIVE},
        ),
        Row(
            "synflow",
            "apcli.criteria.saliency:synflow",
            "|w| times the flow of ones through the network of absolute weights, in many small steps",
            "Tanaka et al. 2020, arXiv:2006.05467, algorithm 1",
            ("network", "steps"),
            {"iterations": 100},
            ranges={"iterations": ONE_OR_MORE},
        ),
        Row(
            "obd",
            "apcli.criteria.second_order:obd",
            "optimal brain damage: h w^2 / 2, h the diagonal of the loss's Gauss-Newton matrix",
            "LeCun, Denker & Solla 1989, Optimal Brain Damage, equation (5)",
            ("network", "data"),
            synonyms=("hessian", "second-order"),
        ),
        Row(
            "fisher",
            "apcli.criteria.second_order:fisher",
            "f w^2 / 2, f the mean squared gradient of single images' losses",
            "Theis et al. 2018, arXiv:1801.05787, equation (6)",
            ("network", "data"),
        ),
        Row(
            "wanda",
            "apcli.criteria.activation:wanda",
            "|w| times the norm of the inputs that it weighs; published with --scope output",
            "Sun et al. 2023, arXiv:2306.11695, equation (1)",
            ("network", "data"),
            synonyms=("activation",),
        ),
        Row(
            "lookahead",
            "apcli.criteria.lookahead:lookahead",
            "|w| times the norms of the weights before and behind it, with the batch norms between",
            "Park et al. 2020, arXiv:2002.04809, equation (4)",
            ("network",),
        ),
        Row(
            "sparsegpt",
            "apcli.criteria.reconstruction:sparsegpt",
            "optimal brain surgeon by layer: the kept weights of a row compensate for the removed ones",
            "Frantar & Alistarh 2023, arXiv:2301.00774, algorithm 1; Hassibi & Stork 1992",
            ("network", "data", "reconstruction"),
            {"block": 128, "damping": 0.01},
            ranges={"block": ONE_OR_MORE, "damping": NOT_NEGATIVE},
            synonyms=("obs", "optimal-brain-surgeon"),
        ),
        Row(
            "movement",
            "apcli.criteria.movement:movement",
            "by scores that Adam learns from w g: removes weights that training moves towards zero; in finetune alone",
            "Sanh et al. 2020, arXiv:2005.07683, section 4",
            ("training",),
        ),
    ),
    Own(
        {
            "layer": Call(("weight",)),
            "network": Call(("subject",), ("data", "steps")),
        }
    ),
)

# Methods of finetune --sparsity: by current magnitudes, and those that need ``training``.
IN_TRAINING = ("lowest", *(row.name for row in METHODS if "training" in row.needs))

# Filters (--structure filter): each row's function takes the weights of a ChannelGroup, see ``apcli.criteria.filters``.
FILTER_METHODS = Table(
    "filter method",
    (
        Row(
            "l1",
            "apcli.criteria.filters:l1",
            "removes the filters of lowest L1 norm",
            "Li et al. 2017, arXiv:1608.08710",
            ("filters",),
            synonyms=("lowest", "magnitude", "l1-norm"),
        ),
        Row(
            "l2",
            "apcli.criteria.filters:l2",
            "removes the filters of lowest L2 norm",
            "He et al. 2018, arXiv:1808.06866",
            ("filters",),
        ),
        Row(
            "highest",
            "apcli.criteria.filters:highest",
            "removes the filters of highest L1 norm",
            "Mozafari-Nia & Sekeh 2024, arXiv:2403.00155, section 5, on filters",
            ("filters",),
        ),
        Row(
            "geometric-median",
            "apcli.criteria.filters:geometric_median",
            "removes the filters with the smallest sum of distances to the others of their layer",
            "He et al. 2019, arXiv:1811.00250, equation (5)",
            ("filters",),
            synonyms=("fpgm", "gm"),
        ),
        Row(
            "bn-scale",
            "apcli.criteria.filters:bn_scale",
            "removes the filters whose batch norm has the smallest |scale|",
            "Liu et al. 2017, arXiv:1708.06519",
            ("filters",),
            synonyms=("slimming", "network-slimming", "bn"),
        ),
        Row(
            "taylor",
            "apcli.criteria.filters:taylor",
            "(sum of w g over the filter)^2, g the gradient of a batch's loss, averaged over batches",
            "Molchanov et al. 2019, arXiv:1906.10771, equation (8) for groups",
            ("filters", "data"),
        ),
        Row(
            "random",
            "apcli.criteria.filters:random",
            "removes filters at random, uniformly",
            "Blalock et al. 2020, arXiv:2003.03033",
            ("filters", "seed"),
        ),
    ),
    Own({"filters": Call(("group",), ("data", "seed"))}),
)
