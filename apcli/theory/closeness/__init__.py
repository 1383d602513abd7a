"""How far a pruned network can be from its dense one: bounds in the spirit of Qian & Klabjan, arXiv:2105.10065.

Theorems A to F are derived here with explicit constants; none is a quotation. Not one of them concerns accuracy after
fine-tuning. A and B take weights as they are, C the masks as random, D and E the weights' signs or entries as random.
"""
