"""What may remain of a network, as the budget of an allocation: of single weights, and of channels."""
