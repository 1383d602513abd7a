"""What mutual information says about a layer, after the appendix of ITPruner (arXiv:2108.08532)."""
