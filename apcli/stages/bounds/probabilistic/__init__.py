"""How close a pruned network is to its dense one, for all inputs of a ball or with high probability over masks.

In the spirit of Qian & Klabjan, arXiv:2105.10065; the constants are derived in ``apcli.theory.closeness``.
"""
