"""What ``divergence`` does: pairs of checkpoints become records."""
