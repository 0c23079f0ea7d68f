"""Train a small network with batch norm, dropout and AdamW on handwritten digits."""

import numpy as np

import tinygrad_pool as tg
from tinygrad_pool import nn

rng = np.random.default_rng(0)
(x, labels), (x_test, labels_test) = tg.datasets.digits()
net = nn.Sequential(
    conv=nn.Conv2d(1, 16, 3, padding=1, bias=False, rng=rng),
    norm=nn.BatchNorm2d(16),
    act=nn.LeakyReLU(),
    pool=nn.MaxPool2d(2),
    flat=nn.Flatten(),
    drop=nn.Dropout(0.25, rng=rng),
    last=nn.Linear(256, 10, rng=rng),
)
nn.init.kaiming_normal_(net[0].weight, nonlinearity="leaky_relu", rng=rng)
print(net)

criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = tg.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.05)


def accuracy() -> float:
    """Return the fraction of test images that are classified correctly."""
    net.eval()
    with tg.no_grad():
        scores = net(x_test)
    net.train()
    return float(np.mean(scores.data.argmax(axis=1) == labels_test))


for epoch in range(1, 9):
    losses, norms = [], []
    for images, digits in tg.datasets.batches(x, labels, 32, rng):
        optimizer.zero_grad()
        loss = criterion(net(images), digits)
        loss.backward()
        norms.append(nn.utils.clip_grad_norm_(net.parameters(), 1.0))
        optimizer.step()
        losses.append(loss.item())
    clipped = np.mean(np.array(norms) > 1.0)
    print(
        f"epoch {epoch}   loss {np.mean(losses):.3f}   clipped {clipped:4.0%}   "
        f"test accuracy {accuracy():.1%}"
    )

print("\nBuffers, which are saved with the weights:")
for name, array in net.named_buffers():
    print(f"{name:24s} {np.round(array.reshape(-1)[:4], 2)}")
