"""Statistics over runs: means, paired differences, rank agreement, all over clusters, and performance differences."""
