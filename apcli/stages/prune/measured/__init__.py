"""What is measured on a network to be pruned, beside scores: how many weights may go, and the best values of others."""
