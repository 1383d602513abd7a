"""The published program as released: its lists of widths come out, with no importance at all."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy.optimize import minimize

from apcli.theory.widths.costs import WidthCost
from apcli.theory.widths.published import walked

M = 1e6


@dataclass
class Counted:
    """A cost of shares, as the released scripts count operations: one term after another."""

    widths: list[int]
    linear: np.ndarray = field(init=False)
    products: np.ndarray = field(init=False)

    def __post_init__(self):
        self.linear, self.products = np.zeros(len(self.widths)), np.zeros((len(self.widths), len(self.widths)))

    def conv(self, first, second, positions, kernel=1, factor=1):
        """A convolution between two groups, or one group and itself."""
        count = factor * kernel * self.widths[first] * self.widths[second] * positions
        self.products[first, second] += count
        self.products[second, first] += count

    def each(self, group, count):
        self.linear[group] += count * self.widths[group]

    @property
    def cost(self):
        return WidthCost(0.0, self.linear, self.products)


def resnet50():
    """BN and ReLU are 5 operations an output, pooling 9; the first 1x1 is counted at 112, the classifier at 512."""
    widths, middles = [64], (64, 128, 256, 512)
    for middle, blocks in zip(middles, (3, 4, 6, 3), strict=True):
        widths += [middle, middle, 4 * middle] + [middle] * 2 * (blocks - 1)
    net = Counted(widths)
    net.each(0, (147 + 5) * 112**2 + 9 * 56**2)
    before, place, side = 0, 1, 56
    for stage, blocks in enumerate((3, 4, 6, 3)):
        output = place + 2
        for block in range(blocks):
            first = place if block == 0 else place + 1
            if block == 0:
                outer = 112 if stage == 0 else side * 2
                pairs = [(before, first, outer**2, 1), (first, first + 1, side**2, 9), (before, output, side**2, 1)]
            else:
                pairs = [(output, first, side**2, 1), (first, first + 1, side**2, 9)]
            for one, other, positions, kernel in [*pairs, (first + 1, output, side**2, 1)]:
                net.conv(one, other, positions, kernel)
                net.each(other, 5 * positions)
            place += 2
        before, place, side = output, place + 1, side // 2
    net.each(len(widths) - 1, 2 * 1000)
    return net.cost, widths


def mobilenet_v1():
    widths = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
    net = Counted(widths)
    side = 112
    net.each(0, 27 * side**2)
    for group, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)):
        side //= stride
        net.each(group, 9 * side**2)
        net.conv(group, group + 1, side**2)
    net.each(13, 2 * 1000)
    return net.cost, widths


def mobilenet_v2():
    widths = [32, 16, 24, 32, 64, 96, 160, 320]
    net = Counted(widths)
    side = 112
    net.each(0, 27 * side**2)
    for group, (stride, blocks) in enumerate(((1, 1), (2, 2), (2, 3), (2, 4), (1, 3), (2, 3), (1, 1))):
        factor = 1 if group == 0 else 6
        for block in range(blocks):
            source, target = (group, group + 1) if block == 0 else (group + 1, group + 1)
            if factor > 1:
                net.conv(source, source, side**2, factor=factor)
            side //= stride if block == 0 else 1
            net.each(source, 9 * factor * side**2)
            net.conv(source, target, side**2, factor=factor)
    net.each(7, 1280 * side**2)
    return net.cost, widths


def vgg16():
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    net = Counted(widths)
    sides = [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]
    for group, side in enumerate(sides):
        if group:
            net.conv(group - 1, group, side**2, 9)
        else:
            net.each(0, 27 * side**2)
        net.each(group, 5 * side**2)
    for group in (1, 3, 6, 9):
        net.each(group, 2 * (sides[group] // 2) ** 2)
    net.each(12, (3 * 512 + 2 * 512 * 512 + 4 * 512) / 512)
    return net.cost, widths


def resnet_cifar(blocks):
    widths = [16] * blocks + [32] * blocks + [64] * blocks
    net = Counted(widths)
    for block, width in enumerate(widths):
        side = 32 // (width // 16)
        if block:
            net.conv(block - 1, block, side**2, 9)
            if widths[block - 1] != width:
                net.conv(block - 1, block, side**2)
        else:
            net.each(0, 9 * 16 * side**2)
        net.products[block, block] += 2 * 9 * width**2 * side**2
        net.each(block, 8 * side**2)
    net.each(len(widths) - 1, 2 * 10)
    return net.cost, widths


RESNET50 = {
    1800: [
        *[48, 52, 52, 110, 52, 52, 52, 52, 98, 105, 142, *[105] * 6],
        *[197, 211, 48, *[211] * 10, 397, 420, 1264, 419, 419, 419, 418],
    ],
    2000: [
        *[50, 53, 54, 125, 54, 54, 54, 54, 101, 108, 179, *[107] * 6],
        *[203, 216, 148, *[215] * 10, 407, 429, 1341, 429, 429, 429, 428],
    ],
    2300: [
        *[52, 55, 55, 146, 55, 55, 55, 55, 105, 111, 232, *[111] * 6],
        *[211, 222, 290, *[222] * 10, 423, 442, 1453, *[442] * 4],
    ],
}
MOBILENET_V1 = {
    50: [18, 31, 30, 38, 71, 76, 173, 52, 78, 78, 51, 178, 250, 522],
    150: [23, 42, 63, 67, 132, 134, 275, 194, 202, 202, 194, 277, 522, 687],
    285: [28, 52, 88, 90, 179, 182, 362, 311, 314, 314, 312, 367, 734, 1024],
}
MOBILENET_V2 = {150: [29, 12, 16, 24, 43, 50, 98, 273], 220: [31, 14, 20, 28, 54, 74, 130, 298]}
VGG16 = {100: [44, 35, 71, 71, 145, 104, 145, 290, 205, 325, 432, 429, 469]}
RESNET20 = {20: [11, 11, 11, 22, 21, 22, 45, 43, 48]}
RESNET56 = {60: [*[10] * 8, 11, 22, *[21] * 7, 22, 44, *[42] * 6, 64, 64]}
NINE = [
    *[(resnet50, m, widths) for m, widths in RESNET50.items()],
    *[(mobilenet_v1, m, widths) for m, widths in MOBILENET_V1.items() if m < 285],
    *[(mobilenet_v2, m, widths) for m, widths in MOBILENET_V2.items()],
    *[(vgg16, m, widths) for m, widths in VGG16.items()],
    *[(lambda: resnet_cifar(3), m, widths) for m, widths in RESNET20.items()],
]


@pytest.mark.parametrize("network, millions, widths", NINE)
def test_nine_released_lists_come_out_with_no_importance_at_all(network, millions, widths):
    cost, sizes = network()
    assert np.rint(walked(cost, millions * M) * sizes).astype(int).tolist() == widths


def test_a_tenth_with_weight_on_the_last_two_layers_alone():
    cost, sizes = resnet_cifar(9)
    importances = np.zeros(27)
    importances[-2:] = 1e-4
    assert np.rint(walked(cost, 60 * M, importances) * sizes).astype(int).tolist() == RESNET56[60]


def test_the_last_with_weight_on_its_last_layer_to_within_a_few_channels():
    cost, sizes = mobilenet_v1()
    importances = np.zeros(14)
    importances[-1] = 1e-3
    off = np.abs(np.rint(walked(cost, 285 * M, importances) * sizes) - MOBILENET_V1[285])
    assert off.max() <= 12
    assert (off / sizes).max() <= 0.032


@pytest.mark.parametrize("network", [resnet50, mobilenet_v1, mobilenet_v2, vgg16, lambda: resnet_cifar(3)])
@pytest.mark.parametrize("share", [0.3, 0.65])
def test_at_other_budgets_as_slsqp_with_the_published_importances(network, share):
    """exp(-beta t) with t about 1 / L is far below the tolerance: the widths are those of no importance."""
    cost, sizes = network()
    limit = share * cost.at(np.ones(len(sizes)))
    shares = np.linspace(0.8, 1.2, len(sizes)) / len(sizes)
    importances = np.exp(-2000 * shares)
    found = minimize(
        lambda x: -importances @ x,
        np.ones(len(sizes)),
        jac=lambda x: -importances,
        bounds=[(0, 1)] * len(sizes),
        constraints={"type": "ineq", "fun": lambda x: limit - cost.linear @ x - x @ cost.products @ x / 2},
        method="SLSQP",
    )
    assert np.rint(walked(cost, limit) * sizes).tolist() == np.rint(found.x * sizes).tolist()


def test_what_the_released_code_counts():
    """In its own operations the released ResNet-50s exceed their budgets: nearest rounding, with no repair."""
    cost, sizes = resnet50()
    assert cost.at(np.ones(37)) == pytest.approx(4187.08224 * M)
    got = {m: cost.at(np.array(widths) / sizes) / M for m, widths in RESNET50.items()}
    assert got[2000] == pytest.approx(2002.1, abs=0.05)
    assert got[2300] == pytest.approx(2300.5, abs=0.05)


def test_of_a_convex_cost_the_published_program_has_its_optimum():
    cost = WidthCost(0.0, np.array([1.0, 2, 3]), np.array([[4.0, 1, 0], [1, 6, 1], [0, 1, 8]]))
    found = walked(cost, 8.5, np.array([1, 0.8, 0.6]))
    np.testing.assert_allclose(found, (1, 0.7803809171, 0.2732873393), atol=2e-5)
    assert found @ [1, 0.8, 0.6] == pytest.approx(1.7882771371, abs=1e-6)


def chain():
    """2 x1 + 6 x1 x2 + 8 x2 x3 + 6 x3 x4 + 2 x4."""
    products = np.diag([6.0, 8, 6], 1)
    return WidthCost(0.0, np.array([2.0, 0, 0, 2]), products + products.T)


def test_of_a_chain_it_stops_short_of_an_optimum_that_is_a_corner():
    cost = chain()
    assert np.linalg.eigvalsh(cost.products) == pytest.approx([-11.2111, -3.2111, 3.2111, 11.2111], abs=1e-4)
    np.testing.assert_allclose(walked(cost, 12.0, np.ones(4)), (1, 0.5, 0.5, 1), atol=1e-6)
    grid = np.stack(np.meshgrid(*[np.arange(0, 43) / 42] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    costs = grid @ cost.linear + np.einsum("ci,ij,cj->c", grid, cost.products, grid) / 2
    for importances, best in (((1, 1, 1, 1), 22 / 7), ((1, 0.9, 0.8, 0.7), 19 / 7)):
        assert (grid[costs <= 12 + 1e-9] @ importances).max() == pytest.approx(best, abs=1e-9)
        assert cost.at(np.array([1, 1, 1 / 7, 1])) == pytest.approx(12)
        assert np.dot((1, 1, 1 / 7, 1), importances) == pytest.approx(best)
