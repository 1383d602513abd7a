"""Histograms of weights before and after pruning and fine-tuning: a panel for each network."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from apcli.figures.canvas.marks import Drawing, Missing, Value, columns_of
from apcli.figures.canvas.panels import Box, Head, Key, Panel, Sheet
from apcli.figures.canvas.scales import linear, logarithmic
from apcli.figures.canvas.words import listed
from apcli.figures.study import Study, Weights

_ABREAST, _HEIGHT = 3, 130.0
_THIN, _WIDE, _BAR = 1.1, 3.6, 5.0  # pixels of a dashed line, of a solid one, and of the bar of zeros
_LEAST = 1e-5  # share of the weights


def weights(study: Study) -> Drawing:
    """The share of all weights in each bin, on a logarithmic axis; those that are exactly zero are bars of their own.

    Raises:
        Missing: no file is at hand.
    """
    if not study.weights:
        raise Missing("the compared files are not at hand")
    sheet = Sheet()
    states = list(dict.fromkeys(state for network in study.weights for state in network.states))
    keys = [
        Key("dense", "line", "s", None),
        *(Key(state, "ink", None, "dashed", width=_THIN) for state in states[1:-1]),
    ]
    sheet.legend([*keys, Key(states[-1], "soft", None, width=_WIDE), Key("exactly zero", "soft", None, width=_BAR)])
    heads = [
        Head(network.title, f"share of weights; {100 * network.zeros:.0f} % are zero") for network in study.weights
    ]
    for network, box in zip(study.weights, sheet.rows(heads, _ABREAST, _HEIGHT), strict=True):
        _panel(sheet, box, network, study.looks[network.method].color)
    about = f"Histograms of weights, {listed(states)}, for {listed([head.title for head in heads])}."
    names = ("method", "sparsity", "network", "state", "from", "to", "share of weights")
    return sheet.drawing("Weights before and after", about, columns_of(names, _rows(study.weights)))


def _panel(sheet: Sheet, box: Box, network: Weights, color: str) -> None:
    """Draw the dense weights as an area, the zeros of the last state as a bar, and the other states as lines.

    The last state's line is wide and at the bottom, a dashed one in a channel of its own on top: where they are the
    same, both are seen, whatever the method's colour.
    """
    middles = [(low + high) / 2 for low, high in pairwise(network.edges)]
    panel = Panel(sheet, box, linear(network.edges, most=4), logarithmic([_LEAST, 1.0]), "weight")
    (_, (dense, _)), *others = network.states.items()
    panel.band([(x, 0.0, share) for x, share in zip(middles, dense, strict=True)], "line", 1.0)
    if network.zeros > 0:
        panel.bars([(0.0, 0.0, network.zeros)], color, _BAR)
    for index, (state, (shares, _)) in enumerate(reversed(others)):
        known = [share if share > 0 else None for share in shares]
        if index == 0:
            panel.line(middles, known, color, width=_WIDE, name=state)
        else:
            panel.line(middles, known, "paper", width=2 * _THIN)
            panel.line(middles, known, "ink", width=_THIN, dash="dashed", name=state)


def _rows(networks: Sequence[Weights]) -> Iterator[Sequence[Value]]:
    for network in networks:
        for state, (shares, zeros) in network.states.items():
            yield network.method, network.sparsity, network.name, state, 0.0, 0.0, zeros
            for (low, high), share in zip(pairwise(network.edges), shares, strict=True):
                yield network.method, network.sparsity, network.name, state, low, high, share
