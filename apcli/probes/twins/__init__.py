"""Bounds on two networks of one structure, and on their difference, over a box of inputs.

A *track* is what is bounded at a step: the dense network's values, the pruned network's, or their difference (dense -
pruned). The difference has a track of its own, since the two others contain nothing of how the networks go together.
"""
