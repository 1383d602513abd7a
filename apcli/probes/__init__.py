"""Probes: measurements on a running network. A probe leaves the network unchanged."""
