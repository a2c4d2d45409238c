"""LeNet-5, the worker's default network.

Nothing of it is in the protocol: any module that maps images to logits does, and ``worker.train``
takes it as it is.
"""

import torch
from torch import Tensor, nn

from services.errors import DatasetError


class LeNet5(nn.Module):
    """LeCun et al. 1998 with ReLU and max pooling, for images of any size from 12x12 up.

    Args:
        n_classes: C, the length of the logits.
        image_shape: [h, w] or [h, w, c] of one image.
    """

    def __init__(self, n_classes: int, image_shape: tuple[int, ...] = (28, 28)) -> None:
        super().__init__()
        height, width, n_channels = (*image_shape, 1)[:3]
        n_features = 16 * ((height // 2 - 4) // 2) * ((width // 2 - 4) // 2)
        if min(height, width) < 12:
            raise DatasetError(
                f"LeNet-5 needs images of 12x12 or more, found {height}x{width}; scale them up"
            )
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


def build_model(
    n_classes: int, image_shape: tuple[int, ...] = (28, 28), seed: int = 0
) -> nn.Module:
    """A freshly initialised LeNet-5; the same seed gives the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LeNet5(n_classes, image_shape)
