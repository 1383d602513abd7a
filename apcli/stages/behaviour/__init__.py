"""What a pruned network does otherwise than its dense one, on the same images."""
