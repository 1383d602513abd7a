"""What ``prune`` does: a request, how many go, which go, and the file that is left."""
