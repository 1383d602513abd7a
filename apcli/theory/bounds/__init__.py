"""Bounds that a divergence, or the weights, put on what pruning does.

A function computes what its assumptions would give, and names them; whether they hold on a network, and whether the
value says more than the trivial one, is for the caller to judge. What a paper states is there "as reconstructed", with
what is known against it, beside a bound that is proven.
"""
