"""The lines of the checklist, each a function of the evidence: whether it holds, and the reason."""
