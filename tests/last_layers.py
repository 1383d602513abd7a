"""The loss of a network's last layer with the softmax: its curvature as a dense matrix, by NumPy."""

import numpy as np
import torch


class LastLayer:
    """Cross-entropy over a linear layer's weights and bias, one after the other, at the inputs that the layer gets.

    For such a layer the Hessian and the Gauss-Newton matrix are the same: the mean of (diag p - p p') h h'.
    """

    def __init__(self, network, layer, batches):
        inputs = []
        handle = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].double().numpy()))
        with torch.no_grad():
            self.labels = np.concatenate([(network(images), labels)[1].numpy() for images, labels in batches()])
        handle.remove()
        self.inputs = np.concatenate(inputs)
        self.shape = tuple(layer.weight.shape)
        self.weights = np.concatenate([t.detach().double().numpy().ravel() for t in (layer.weight, layer.bias)])
        p = np.exp(self._log_p(self.weights))
        self.extended = np.hstack([self.inputs, np.ones((len(self.inputs), 1))])  # the bias is a weight of 1
        bent = np.einsum("nc,cd->ncd", p, np.eye(p.shape[1])) - p[:, :, None] * p[:, None, :]
        matrix = np.einsum("ncd,nj,nk->cjdk", bent, self.extended, self.extended) / len(p)
        self.hessian = self._flat(self._flat(matrix, (2, 3)), (0, 1))
        slopes = np.einsum("nc,nj->cj", p - np.eye(p.shape[1])[self.labels], self.extended) / len(p)
        self.gradient = self._flat(slopes, (0, 1))

    def _flat(self, array, axes):
        """Weights first, then biases, along two axes [classes, inputs + 1] of an array."""
        moved = np.moveaxis(array, axes, (0, 1))
        flat = np.concatenate([moved[:, :-1].reshape(-1, *moved.shape[2:]), moved[:, -1]])
        return np.moveaxis(flat, 0, axes[0])

    def _log_p(self, weights):
        count = self.shape[0] * self.shape[1]
        logits = self.inputs @ weights[:count].reshape(self.shape).T + weights[count:]
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def loss(self, weights):
        """The mean cross-entropy, nats."""
        return -float(self._log_p(weights)[np.arange(len(self.labels)), self.labels].mean())

    def least(self, kept, damping):
        """The least 1/2 d' H d + damping/2 |change of the kept|^2 on a mask."""
        removed = np.where(kept, 0, self.weights)
        right = (self.hessian @ removed)[kept]
        within = self.hessian[np.ix_(kept, kept)] + damping * np.eye(kept.sum())
        return float(removed @ self.hessian @ removed - right @ np.linalg.solve(within, right)) / 2
