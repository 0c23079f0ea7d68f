"""Compute training steps in several processes: pip install 'dask[distributed]'.

Each worker computes the gradient of its shard of a batch. Weighted by the sizes of the shards, the
gradients add up to that of the whole batch, so training is the same as in one process. It is faster
only if a shard's two passes take much longer than sending the parameters there and the gradients
back, and if NumPy's own threads leave cores idle. With this network, on a machine with two cores,
it was slower than one process.
"""

from itertools import pairwise

import numpy as np
from dask.distributed import Client, LocalCluster

import tinygrad_pool as tg
from tinygrad_pool import nn

WORKERS, STEPS = 2, 5


def build() -> nn.Sequential:
    """Make the network, with the same parameters in each process."""
    return nn.Sequential(
        conv=nn.Conv2d(1, 8, 3, padding=1, rng=0),
        relu=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        flat=nn.Flatten(),
        out=nn.Linear(8 * 4 * 4, 10, rng=1),
    )


def gradients(state: dict, images: np.ndarray, labels: np.ndarray) -> tuple[float, dict]:
    """Compute the loss of a shard and its gradients, by name."""
    net = build()
    net.load_state_dict(state)
    loss = nn.cross_entropy(net(images), labels)
    loss.backward()
    return loss.item(), {name: p.grad for name, p in net.named_parameters()}


def weighted(shards: list[tuple[float, dict]], sizes: list[int]) -> tuple[float, dict]:
    """Return the mean loss and gradients of the shards, weighted by their sizes."""
    parts = [n / sum(sizes) for n in sizes]
    loss = sum(part * loss for part, (loss, _) in zip(parts, shards, strict=True))
    names = shards[0][1]
    return loss, {
        name: sum(part * slopes[name] for part, (_, slopes) in zip(parts, shards, strict=True))
        for name in names
    }


def main() -> None:
    """Train on the digits for a few steps, and compare each step with one process."""
    (images, labels), _ = tg.datasets.digits()
    batch, classes = images[:500], labels[:500]
    cuts = [0, 220, 500]  # shards of several sizes
    shards = [slice(a, b) for a, b in pairwise(cuts)]
    net = build()
    optimizer = tg.optim.SGD(net.parameters(), lr=0.1)
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        for step in range(STEPS):
            state = net.state_dict()
            futures = [
                client.submit(gradients, state, batch[s], classes[s], pure=False) for s in shards
            ]
            sizes = [len(batch[s]) for s in shards]
            loss, slopes = weighted(client.gather(futures), sizes)
            _, whole = gradients(state, batch, classes)
            difference = max(float(np.abs(slopes[name] - whole[name]).max()) for name in whole)
            for name, parameter in net.named_parameters():
                parameter.grad = slopes[name]
            optimizer.step()
            print(f"step {step}  loss {loss:.4f}  differs from one process by {difference:.0e}")
            assert difference < 1e-7


if __name__ == "__main__":  # a worker imports this file
    main()
