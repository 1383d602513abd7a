"""A dense checkpoint and a pruned one: which belong together, which layers are compared, and how they were pruned."""
