"""Both sides of the timings of AnoGAN's search and of the MNIST notebook's networks; `speed.py` runs them.

AnoGAN's other side is the loop in which it is usually found: one image after the other, one compiled gradient step a
call, the optimizer reset for each image. The notebook's networks stand against the same layers in PyTorch.
"""

from __future__ import annotations

import tempfile

import numpy as np

IMAGES, SEARCH_STEPS, BATCH, EPOCHS = 256, 500, 64, 2
SHAPE = (28, 28, 1)


def anogan(side: str, name: str, images: int):
    """Scores of `images` images: all at once, one by one in the same graph, or one by one from a Python loop."""
    import tensorflow as tf

    from keras_anogan import build_detector
    from keras_anogan.recipes.data import load_one_class

    detector = build_detector("anogan", SHAPE, filters=16, latent_dim=64, steps=SEARCH_STEPS)
    detector.compile()
    x = load_one_class(2).test[:IMAGES]
    graph = tf.function(lambda x: detector.explain(x)["score"])
    if side == "ours":
        return lambda: graph(tf.constant(x)).numpy()
    if "single" in name:
        return lambda: [graph(tf.constant(x[i : i + 1])).numpy() for i in range(images)]
    return usual_search(detector, x, images)


def usual_search(detector, x: np.ndarray, images: int):
    """The search as scripts have it: a variable z and an optimizer, made anew for each image."""
    import keras
    import tensorflow as tf

    generator, discriminator = detector.generator, detector.discriminator
    z, target, wanted = tf.Variable(tf.zeros((1, 64))), tf.Variable(x[:1]), tf.Variable(discriminator(x[:1])[1])
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([z])

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            x_hat = generator(z, training=False)
            _, features = discriminator(x_hat, training=False)
            residual = tf.reduce_sum(tf.abs(target - x_hat))
            value = 0.9 * residual + 0.1 * tf.reduce_sum(tf.abs(wanted - features))
        optimizer.apply([tape.gradient(value, z)], [z])
        return value

    def score() -> None:
        for i in range(images):
            z.assign(np.random.default_rng(0).standard_normal((1, 64)))
            target.assign(x[i : i + 1])
            wanted.assign(discriminator(target, training=False)[1])
            for variable in optimizer.variables[2:]:  # moments; the first two are step and rate
                variable.assign(np.zeros(variable.shape, "float32"))
            for _ in range(SEARCH_STEPS):
                value = step()
            value.numpy()

    return score


def notebook(name: str):
    """The detector of the notebook that is timed."""
    from keras_anogan import build_detector

    if "autoencoder" in name:
        return build_detector("autoencoder", SHAPE)
    return build_detector("gan_discriminator", SHAPE, one_batch=False)


def fit(name: str, x: np.ndarray, steps: int):
    """`fit` of one of the notebook's detectors at full width, with the callbacks of `keras-anogan train`."""
    from keras_anogan.callbacks import EpochBackup, TerminateOnNonFinite

    detector = notebook(name)
    detector.compile()

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite(), EpochBackup(f"{folder}/backup", every_seconds=2.0)]
            detector.fit(
                x, batch_size=BATCH, epochs=EPOCHS, steps_per_epoch=steps // EPOCHS, verbose=0, callbacks=callbacks
            )

    return work


def torch_autoencoder(x, steps: int):
    """The notebook's autoencoder in PyTorch and a function of training steps; x (n, 1, 28, 28), channels_last."""
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    for (a, b), pooled in zip(((1, 32), (32, 64), (64, 128), (128, 256), (256, 512)), (1, 1, 0, 0, 1), strict=True):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU(), *([nn.MaxPool2d(2, 2)] if pooled else [])]
    for a, b, kernel, stride in ((512, 256, 3, 1), (256, 128, 2, 1), (128, 64, 2, 1), (64, 32, 2, 2)):
        layers += [nn.ConvTranspose2d(a, b, kernel, stride), nn.ReLU()]
    network = nn.Sequential(*layers, nn.ConvTranspose2d(32, 1, 2, 2)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def work() -> None:
        for rows in torch.randint(len(x), (steps, BATCH)):
            image = x[rows]
            optimizer.zero_grad(set_to_none=True)
            ((network(image) - image) ** 2).mean().backward()
            optimizer.step()

    return [network], work


def torch_gan(x, steps: int, dense: bool = False):
    """The notebook's GAN in PyTorch, logits in the place of its sigmoid, and a function of training steps.

    Its first layer is a dense one, as ours: 12 of the 16 taps of the notebook's are cut off by padding. With `dense`
    so is the discriminator's last but one, as ours, of which padding cuts off 7.
    """
    import torch
    from torch import nn

    up: list[nn.Module] = [nn.Linear(32, 2 * 2 * 512, bias=False), nn.Unflatten(1, (512, 2, 2))]
    up += [nn.BatchNorm2d(512), nn.ReLU(True)]
    for a, b, padding in ((512, 256, 1), (256, 128, 1), (128, 64, 2)):
        up += [nn.ConvTranspose2d(a, b, 4, 2, padding, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
    down: list[nn.Module] = [nn.Conv2d(1, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for a, b in ((64, 128), (128, 256)) if dense else ((64, 128), (128, 256), (256, 512)):
        down += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
    if dense:
        down += [nn.Flatten(), nn.Linear(3 * 3 * 256, 512, bias=False), nn.BatchNorm1d(512), nn.LeakyReLU(0.2, True)]
        down.append(nn.Linear(512, 1, bias=False))
    else:
        down += [nn.Conv2d(512, 1, 1, bias=False), nn.Flatten()]
    networks = (
        nn.Sequential(*up, nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False), nn.Tanh()),
        nn.Sequential(*down),
    )
    generator, discriminator = (network.to(memory_format=torch.channels_last) for network in networks)
    players = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (generator, discriminator)]
    noisy = lambda image: image + 0.05 * torch.randn_like(image)  # noqa: E731
    cross_entropy = nn.functional.binary_cross_entropy_with_logits
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def work() -> None:
        for rows in torch.randint(len(x), (steps, BATCH)):
            image, made = x[rows], generator(torch.randn(BATCH, 32))
            discriminator.requires_grad_(True)
            players[1].zero_grad(set_to_none=True)
            loss = cross_entropy(discriminator(noisy(image)), ones)
            (loss + cross_entropy(discriminator(noisy(made.detach())), zeros)).backward()
            players[1].step()
            discriminator.requires_grad_(False)
            players[0].zero_grad(set_to_none=True)
            cross_entropy(discriminator(made), ones).backward()
            players[0].step()

    return [generator, discriminator], work
