"""Seeds of the draws: one for each key, and an order for each epoch."""

from apcli.training.draws import order_of, seed_of


def test_keys_have_seeds_of_their_own_that_stay():
    keys = [("order", 0, 1), ("order", 1, 0), ("order", 0), ("step", 0, 1), ("order", "0", 1), ("order", 11)]
    seeds = [seed_of(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of("order", 0, 1) == 1706904728  # of every version: a run that goes on draws as it began


def test_each_epoch_has_an_order_of_all_samples():
    orders = [order_of(50, seed, epoch).tolist() for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1))]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3
