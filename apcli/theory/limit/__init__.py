"""The pruning limit: how few weights may be kept while the loss, to second order, stays within a tolerance."""
