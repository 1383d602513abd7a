"""Probes: what is measured on a network that runs. A probe leaves the network as it was."""
