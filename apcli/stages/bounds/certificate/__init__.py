"""How alike two networks behave: certificates from samples, and for every input of a box."""
