"""Follow every entry of every axis through one pass of a network.

Whatever code runs, its operations are PyTorch's own. ``probes.traced`` takes networks apart by their modules instead,
to bound what they compute, and refuses those whose code cannot be traced.
"""
