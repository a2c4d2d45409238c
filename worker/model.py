"""The built-in networks: LeNet-5, a small perceptron and a ResNet-18 for small images.

Nothing of them is in the protocol: any module that maps samples to logits does, and
``worker.train`` takes it as it is.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from services.errors import DatasetError, LearnerError

HIDDEN = (256, 128)  # units of the perceptron's hidden layers


class LeNet5(nn.Module):
    """LeCun et al. 1998 with ReLU and max pooling, for images of any size from 12x12 up.

    Args:
        n_classes: C, the length of the logits.
        image_shape: [h, w] or [h, w, c] of one image.
    """

    def __init__(self, n_classes: int, image_shape: tuple[int, ...] = (28, 28)) -> None:
        super().__init__()
        height, width, n_channels = _require_images("LeNet-5", image_shape, 12)
        n_features = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        self.layers = nn.Sequential(
            nn.Conv2d(n_channels, 6, 5, padding=2),  # [n, 6, h, w]
            nn.ReLU(),
            nn.MaxPool2d(2),  # [n, 6, h/2, w/2]
            nn.Conv2d(6, 16, 5),  # [n, 16, h/2 - 4, w/2 - 4]
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),  # [n, n_features], 400 for 28x28
            nn.Linear(n_features, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, C] of images [n, c, h, w]."""
        logits: Tensor = self.layers(images)
        return logits


class Standardise(nn.Module):
    """Features to mean 0 and deviation 1, by the samples that it has measured; at first as is."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("deviation", torch.ones(n_features))

    def measure(self, features: Tensor) -> None:
        """Take mean and deviation from features [n, f]; one that never varies is left in scale."""
        deviation, mean = torch.std_mean(features, dim=0, correction=0)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Standardised features [n, f]."""
        return (features - self.mean) / self.deviation


def build_mlp(n_classes: int, sample_shape: tuple[int, ...]) -> nn.Module:
    """Two hidden layers with ReLU, for images of any size [h, w] or [h, w, c], or features [f]."""
    n_inputs = torch.Size(sample_shape).numel()
    first = Standardise(n_inputs) if len(sample_shape) == 1 else nn.Flatten()
    return nn.Sequential(
        first,
        nn.Linear(n_inputs, HIDDEN[0]),
        nn.ReLU(),
        nn.Linear(HIDDEN[0], HIDDEN[1]),
        nn.ReLU(),
        nn.Linear(HIDDEN[1], n_classes),
    )


def build_resnet18(n_classes: int, image_shape: tuple[int, ...]) -> nn.Module:
    """He et al. 2015 from torchvision, for small images of any number of channels.

    As is usual for CIFAR, the first convolution is 3x3 with stride 1 and nothing is pooled after
    it: otherwise an image of 28x28 would be down to one pixel in the end.
    """
    *_, n_channels = _require_images("ResNet-18", image_shape, 9)
    try:
        from torchvision.models import resnet18
    except Exception as error:  # also a torchvision of another torch, which fails in many ways
        raise LearnerError(
            f"resnet18 needs torchvision, which cannot be imported ({error}); install the version "
            "that belongs to the installed torch, or choose another model"
        ) from error
    model: nn.Module = resnet18(num_classes=n_classes)
    model.conv1 = nn.Conv2d(n_channels, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


Builder = Callable[[int, tuple[int, ...]], nn.Module]
BUILDERS: dict[str, Builder] = {"lenet": LeNet5, "mlp": build_mlp, "resnet18": build_resnet18}


def build_model(
    n_classes: int, sample_shape: tuple[int, ...] = (28, 28), seed: int = 0, name: str = "lenet"
) -> nn.Module:
    """A freshly initialised network; the same seed gives the same weights.

    Args:
        n_classes: C, the length of the logits.
        sample_shape: of one sample, [h, w], [h, w, c] or [f].
        seed: of the weights.
        name: one of `BUILDERS`.

    Raises:
        DatasetError: it cannot take such samples.
        LearnerError: what it needs is not installed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BUILDERS[name](n_classes, sample_shape)


def _require_images(name: str, shape: tuple[int, ...], least: int) -> tuple[int, int, int]:
    """Height, width and channels of images that are large enough."""
    if len(shape) < 2:
        raise DatasetError(
            f"{name} needs images [h, w] or [h, w, c], found samples of shape {list(shape)}; "
            "choose mlp or forest for features"
        )
    height, width, n_channels = (*shape, 1)[:3]
    if min(height, width) < least:
        raise DatasetError(
            f"{name} needs images of {least}x{least} or more, found {height}x{width}; scale them up"
        )
    return height, width, n_channels
