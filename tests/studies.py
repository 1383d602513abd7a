"""Studies for the tests of figures and reports: what is drawn, the one group of a report, the outline of a page."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from apcli.checkpoints.lineage import Lineage
from apcli.checkpoints.promises import Allocated, Link, Promise, Spent
from apcli.figures.canvas.colors import looks
from apcli.figures.canvas.marks import Area, Dots, Drawing, Line, Words
from apcli.figures.study import Curve, Network, PlottedBehaviour, Point, Series, Study
from apcli.records.bound import AT_THE_LIMIT, KEPT, LOWER, PROVEN, Bound, BoundRecord, Constant, Spectrum
from apcli.records.bound import Point as RisePoint
from apcli.records.checkpoint import CheckpointRecord, TensorFacts
from apcli.records.divergence import Metrics, Performance, Scores
from apcli.records.pair import File, LayerSparsity
from apcli.stages.report.evidence.section import Section
from apcli.stages.report.runs.experiment import build

VOID = {"meta", "br", "link", "img", "input", "hr"}


def only_group(records):
    (group,) = build(records).groups
    return group


def variant(records, of="student-t", **changes):
    """Records of one distribution again, as if measured otherwise."""
    return [replace(r, **changes) for r in records if r.dist == of]


def improving(records, method="lowest"):
    """The records with losses whose difference is PD; after fine-tuning, ``method`` is below the dense network."""
    made = []
    for r in records:
        sign = -1 if r.method == method and r.epoch != 0 else 1
        sides = {"test": r.pd.test, "train": r.pd.train}
        dense = Performance(**{name: Scores(loss=9.0, accuracy=50.0) for name in sides})
        pruned = Performance(**{name: Scores(loss=9.0 + sign * pd.loss, accuracy=50.0) for name, pd in sides.items()})
        made.append(replace(r, metrics=Metrics(dense=dense, pruned=pruned)))
    return made


def described(path, sha256, lineage=None, **facts):
    """The record of a small checkpoint: 1000 parameters, of which ``kept`` are left."""
    kept = facts.get("kept", 1000)
    return CheckpointRecord(**{
        "path": path, "sha256": sha256, "bytes": 4100, "dense_bytes": 4000, "numbers": 1000, "parameters": 1000,
        "kept": kept, "model_sparsity": 1 - kept / 1000, "model_density": kept / 1000, "compression": 1000 / kept,
        "prunable": 900, "prunable_nonzero": kept - 100, "dense_parameters": 1000,
        "sparsity": (1000 - kept) / 900, "density": (kept - 100) / 900,
        "macs": None, "macs_reason": "no network", "latency": None, "lineage": lineage, "tensors": (), **facts,
    })  # fmt: skip


def bound_record(
    statement="corollary",
    value=2.0,
    *,
    layer="*",
    file="a",
    theory="ap3",
    standing="published",
    of="PD",
    sparsity=0.5,
    method="lowest",
    **about,
):
    """A bound record of a small network on digits; ``about`` are further arguments of ``Bound.stated``."""
    bound = Bound.stated(statement, "a paper, Lemma 7", standing, of, value, **{"measured": 1.0, **about})
    return BoundRecord(
        model="resnet20", data="cifar10", dense=File("dense", "d" * 8), pruned=File(f"{file}.safetensors", file * 8),
        method=method, sparsity=LayerSparsity(sparsity, sparsity), layer=layer, theory=theory, bound=bound,
    )  # fmt: skip


def limit_records(file="a", dense="dense", **shares):
    """What a theory of the limit says of a dense network: a published limit, and one-shot pruning as measured."""
    kept = {"published limit": 0.25, "one-shot": 0.75} | shares
    eps = Constant("eps", 0.02, 0.0)
    about = {
        "published limit": {
            "side": LOWER, "constants": (eps, Constant(AT_THE_LIMIT, 1e-3, 0.0)),
            "spectrum": Spectrum((1e-4, 2.0), (0.9, 0.1)),
        },
        "one-shot": {
            "standing": PROVEN, "measured": None, "constants": (eps,),
            "curve": (RisePoint(0.75, 1.0, 2.0), RisePoint(0.25, 0.02, 0.01)),
        },
    }  # fmt: skip
    made = [bound_record(name, v, of=KEPT, theory="limit", file=file, **about[name]) for name, v in kept.items()]
    return [replace(record, dense=File(f"{dense}.safetensors", dense)) for record in made]


TRAINED = {"epochs": 6, "batch_size": 128, "opt": "sgd", "lr": 0.1}
TUNED = {"epochs": 3, "batch_size": 128, "opt": "sgd", "lr": 0.01, "dense": "of the file"}
SIZES = {"conv": 800, "fc": 100}  # of the layers of a described network
MODEL = {"name": "resnet20", "source": "apcli", "num_classes": 10, "input_size": [3, 32, 32], "last": "fc.weight",
         "mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}  # fmt: skip


def with_files(records, *, tuned=TUNED, layers=("fc",), part=None, **facts):
    """The records, and those of their files: trained, pruned in ``layers`` and, unless it is None, ``tuned``.

    ``tuned`` is a function of a record, or the settings themselves; the same for ``part``, the images it was done on.
    """
    made = {}
    data = {"name": records[0].data, "classes": 10, "images": [50000, 10000]}
    for r in records:
        seed = {"model": MODEL, "data": data, "seed": r.seed}
        trained = Lineage.EMPTY.then("train", TRAINED, **seed)
        made[r.dense.sha256] = described(r.dense.path, r.dense.sha256, trained.to_json(), tensors=_tensors(()))
        asked, dense = r.sparsity.requested, Link(Path(r.dense.path).name, r.dense.sha256)
        promises = {f"{x}.weight": Promise(round(asked * SIZES[x]), SIZES[x], r.method, r.scope) for x in layers}
        how = {"method": r.method, "scope": r.scope, "layers": "all", "exclude": None, "sparsity": asked}
        lineage = trained.then("prune", {**how, "seed": r.mask_seed}, pruned=promises, dense=dense, parent=dense)
        budget, images = (one(r) if callable(one) else one for one in (tuned, part))
        if budget is not None:
            lineage = lineage.then(
                "finetune", {**budget, "seed": r.seed}, data=data | ({"part": images} if images else {})
            )
        known = {"tensors": _tensors(layers), "kept": 1000 - sum(p.zeros for p in promises.values()), **facts}
        made[r.pruned.sha256] = described(r.pruned.path, r.pruned.sha256, lineage.to_json(), **known)
    return [*records, *made.values()]


def relineaged(records, change):
    """The records, with the lineages of files as ``change``, a function of a file's record, makes them."""
    files = (isinstance(r, CheckpointRecord) for r in records)
    return [replace(r, lineage=change(r)) if is_file else r for r, is_file in zip(records, files, strict=True)]


def with_allocations(records, evidence=True):
    """The records, and those of their files, whose lineages say how a budget of multiply-adds was shared.

    Half of the layer conv and a quarter of fc are left; with ``evidence``, by nHSIC.
    """
    map_ = [[1.0, 0.5, 0.25, 0.1], [0.5, 1.0, 0.4, 0.6], [0.25, 0.4, 1.0, 0.0], [0.1, 0.6, 0.0, 1.0]]
    found = {"images": 256, "importance": [1.0, 0.4], "residual": 1e-15,
             "names": ["conv", "fc", "input", "labels"], "nhsic": map_}  # fmt: skip
    spent = Spent("macs", 1000.0, 500.0, 498.0)
    allocated = Allocated({"conv": (400, 800), "fc": (25, 100)}, spent, found if evidence else {})
    files = with_files([replace(r, scope="filter, itpruner, macs budget") for r in records])
    return relineaged(
        files, lambda r: {**r.lineage, "allocation": allocated.to_json()} if r.lineage["pruned"] else r.lineage
    )


def _tensors(pruned):
    return tuple(
        TensorFacts(f"{layer}.weight", "F32", (size,), size, layer, promised_zeros=0 if layer in pruned else None)
        for layer, size in SIZES.items()
    )


class Outline(HTMLParser):
    """Balanced tags, ids, links and the text of headings."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.headings, self.seen = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open += [tag] if tag not in VOID else []
        for key, value in attrs:
            self.ids += [value] if key == "id" else []
            self.links += [value] if key in ("href", "src", "xlink:href") else []

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("title", "h1", "h2") and "svg" not in self.open:
            self.headings.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


METHODS, SPARSITIES = ("lowest", "random", "highest"), (0.1, 0.3, 0.8)
MEASURES = (("AP2", "ap2"), ("AP3 gaussian", "ap3"), ("PD, test loss", "pd"))
LOOKS = looks(["lowest", "highest"], ["random"])


BEHAVED = tuple(
    PlottedBehaviour(
        "lowest",
        sparsity,
        {"cat": -5.0 * step**2, "dog": 2.0},
        (0.02, 0.05 * step),
        (0.01, 0.02 * step),
        {"conv1": 1.0, "fc": 0.5 / step},
        ((1.0, 0.5), (0.5, 1.0)),
        ((1.0, 0.25 - 0.25 * step), (0.25 - 0.25 * step, 1.0)),
    )
    for step, sparsity in ((1, 0.1), (2, 0.3))
)


def drawn_study(epochs=(0, 1, 2), networks=2, zero_at=None, measures=MEASURES, **members):
    """What figures draw: 3 methods × 3 sparsities × the measures, as (name, kind)."""
    series, single = [], []
    for strength, method in enumerate(METHODS, 1):
        for sparsity in SPARSITIES:
            values = [0.0 if epoch == zero_at else strength * sparsity * 2.0**-epoch for epoch in epochs]
            points = tuple(Point(tuple(value * (1 + 0.1 * n) for n in range(networks))) for value in values)
            final = points[-1] if points else Point((strength * sparsity,))
            known = tuple(values) or (strength * sparsity,)
            for number in range(networks):
                own = {name: tuple(value * (1 + 0.1 * number) for value in known) for name, _ in measures}
                single.append(Network(method, sparsity, f"{method}-{sparsity}.{number}", tuple(epochs), own))
            for name, kind in measures:
                series.append(Series(method, sparsity, name, "nats", kind, tuple(epochs), points, final))
    return Study(**{"looks": LOOKS, "series": tuple(series), "networks": tuple(single)} | members)


def accuracies(networks=1):
    """Two methods and a control, just pruned and fine-tuned."""
    panels = {}
    for state, loss in (("just pruned", 40.0), ("after fine-tuning", 10.0)):
        panels[state] = tuple(
            Curve(method, {s: Point(tuple(90.0 - index - loss * s - n for n in range(networks))) for s in SPARSITIES})
            for index, method in enumerate(METHODS)
        )
    return {"accuracies": panels, "dense_accuracy": 91.0}


def one_bar(study, method):
    """A figure that no table of ours lists: as high as the method has series."""
    height = sum(s.method == method for s in study.series)
    bar = Area([(0, 50), (0, 50 - height), (9, 50 - height), (9, 50)], "ink")
    return Drawing("A bar", "A bar.", 10, 50, (bar,), {"height": (height,)})


def words(drawing):
    """All text of a drawing."""
    return [mark.text for mark in drawing.marks if isinstance(mark, Words)]


def lines(drawing, name):
    """The lines of that name."""
    return [mark for mark in drawing.marks if isinstance(mark, Line) and mark.name == name]


def dots(drawing, name):
    """The signs of that name."""
    return [mark for mark in drawing.marks if isinstance(mark, Dots) and mark.name == name]


def areas(drawing):
    return [mark for mark in drawing.marks if isinstance(mark, Area)]


def rows(drawing):
    """The numbers behind a drawing, a dict for each row."""
    return [dict(zip(drawing.columns, row, strict=True)) for row in zip(*drawing.columns.values(), strict=True)]


def one_sentence(report, group):
    """A section that no table of ours lists."""
    return Section((f"{len(group.runs)} runs",))
