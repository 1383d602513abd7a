"""Channels: what one channel is, over all tensors that have a part in it, and how a network loses it."""
