"""Kullback-Leibler divergence between two Gaussians of one covariance."""


def kl(delta: float) -> float:
    """KL(N(mu1, S) || N(mu2, S)) = delta^2 / 2, in nats.

    Args:
        delta: Mahalanobis distance sqrt((mu1 - mu2)' S^-1 (mu1 - mu2)), >= 0.

    Source: arXiv:2403.00155, equation (3) with equal covariances. It is half the squared distance, not the distance.
    """
    if not delta >= 0:
        raise ValueError(f"delta is {delta}: expected a distance >= 0")
    return 0.5 * delta * delta
