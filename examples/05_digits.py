"""Train a convolutional network on handwritten digits, then find out where one error went."""

import numpy as np

import tinygrad_pool as tg

(x, labels), (x_test, labels_test) = tg.datasets.digits()
rng = np.random.default_rng(0)
net = tg.nn.Sequential(
    conv1=tg.nn.Conv2d(1, 12, 3, padding=1, rng=rng),
    relu1=tg.nn.ReLU(),
    pool1=tg.nn.MaxPool2d(2),
    conv2=tg.nn.Conv2d(12, 32, 3, padding=1, rng=rng),
    relu2=tg.nn.ReLU(),
    pool2=tg.nn.MaxPool2d(2),
    flatten=tg.nn.Flatten(),
    linear=tg.nn.Linear(128, 10, rng=rng),
)
optimizer = tg.optim.Adam(net.parameters(), lr=5e-3)

for epoch in range(1, 11):
    order = rng.permutation(len(x))
    losses = []
    for start in range(0, len(x), 32):
        batch = order[start : start + 32]
        loss = tg.nn.cross_entropy(net(x[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with tg.no_grad():
        right = net(x_test).data.argmax(axis=1) == labels_test
    print(f"epoch {epoch:2d}   loss {np.mean(losses):.4f}   test accuracy {right.mean():.1%}")

print("\nOne image, one backward pass: how many elements of each node the error reached.")
loss = tg.nn.cross_entropy(net(x_test[:1]), labels_test[:1])
for step in tg.backward_steps(loss):
    reached = np.count_nonzero(step.upstream)
    size = step.node.size
    print(f"{step.node.about.scope:8s} {step.node.op:12s} {reached:5d} of {size:5d}")
