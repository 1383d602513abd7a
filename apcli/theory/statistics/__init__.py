"""Statistics over runs and over draws.

Of runs: means, paired differences, rank agreement, all over clusters, and performance differences. Of independent
draws: what they say about a proportion, a quantile, a sum or an expectation, with a stated confidence.
"""
