"""LeNet-5 on Fashion-MNIST, or on any directory of IDX files of 28 x 28 images.

    pip install allumette-core allumette-cpu allumette-train
    python lenet.py /usr/share/datasets/fashion-mnist

Prints the test accuracy after every epoch. The network is that of LeCun et al., "Gradient-based
learning applied to document recognition", 1998, with relu and max pooling. (Debian's package
dataset-fashion-mnist has the images.)
"""

import argparse
import math
import time
from dataclasses import dataclass

import allumette_core as al
from allumette_train import MLP, AdamW, hits, minibatches, read_data


@al.tree.register_dataclass
@dataclass(frozen=True, eq=False)
class Convolution:
    weight: al.Tensor  # (outputs, inputs, height, width)
    bias: al.Tensor  # (outputs, 1, 1)

    @classmethod
    def init(cls, key, inputs, outputs, size):
        spread = math.sqrt(6 / (inputs * size * size))
        weight = al.random.uniform(key, (outputs, inputs, size, size), low=-spread, high=spread)
        return cls(weight, al.zeros((outputs, 1, 1), device=key.device))

    def __call__(self, x, padding=0):
        return al.conv(x, self.weight, padding=padding) + self.bias


@al.tree.register_dataclass
@dataclass(frozen=True, eq=False)
class LeNet:
    first: Convolution
    second: Convolution
    dense: MLP

    @classmethod
    def init(cls, key, classes):
        keys = al.random.split(key, 3)
        return cls(
            Convolution.init(keys[0], 1, 6, 5),
            Convolution.init(keys[1], 6, 16, 5),
            MLP.init(keys[2], (16 * 5 * 5, 120, 84, classes)),
        )

    def __call__(self, pixels):
        x = pixels.astype(al.float32).reshape(-1, 1, 28, 28) / 255
        x = al.max_pool(al.relu(self.first(x, padding=2)), 2)
        x = al.max_pool(al.relu(self.second(x)), 2)
        return self.dense(x.reshape(-1, 16 * 5 * 5))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a directory of IDX files, with files for the test")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.008)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default=None, help="such as par, gpu or numpy")
    options = parser.parse_args()
    try:
        data = read_data(options.data)
    except (al.AllumetteError, OSError) as error:
        parser.error(str(error))
    if data.test is None or data.features.numbers[0].size != 28 * 28:
        parser.error(f"{options.data}: images of 28 x 28 for training and for the test are needed")
    device = options.device or al.default_device()
    images = data.features.numbers.reshape(data.rows, -1)
    tests = al.tensor(data.test.features.numbers.reshape(data.test.rows, -1), device=device)
    answers = al.tensor(data.test.labels, device=device)

    network = LeNet.init(al.random.key(options.seed, device=device), len(data.classes))
    optimizer = AdamW(options.learning_rate)
    state = optimizer.init(network)
    steps = options.epochs * -(-data.rows // options.batch_size)

    @al.jit
    def step(network, state, count, pixels, labels):
        def loss(network):
            return al.cross_entropy(network(pixels), labels)

        value, gradients = al.value_and_grad(loss)(network)
        factor = 0.5 + 0.5 * al.cos(count * (math.pi / steps))  # from the full rate to none
        network, state = optimizer.update(gradients, state, network, factor)
        return network, state, count + 1, value

    @al.jit
    def score(network, pixels, labels):
        return hits(network(pixels), labels)

    count = al.tensor(0.0, device=device)
    for epoch in range(options.epochs):
        start = time.perf_counter()
        for rows in minibatches(data.rows, options.batch_size, seed=options.seed, epoch=epoch):
            pixels, labels = images[rows], data.labels[rows]
            network, state, count, loss = step(network, state, count, pixels, labels)
        seconds = time.perf_counter() - start
        right = sum(
            float(score(network, tests[at : at + 1000], answers[at : at + 1000]))
            for at in range(0, data.test.rows, 1000)
        )
        print(
            f"epoch {epoch + 1}: loss {float(loss):.3f}, test accuracy "
            f"{right / data.test.rows:.2%}, {seconds:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
