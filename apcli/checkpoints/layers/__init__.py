"""Which tensors of a checkpoint are layers' weights."""
