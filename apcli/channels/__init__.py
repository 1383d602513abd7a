"""Channels: the parts of all tensors that form one channel, and their removal from a network."""
