"""What ``report FILE`` does: one checkpoint, described."""
