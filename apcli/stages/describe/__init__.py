"""What ``report FILE`` and ``apcli.describe`` do: one checkpoint, described."""
