"""Statistics over runs: rank agreement, and performance differences."""
