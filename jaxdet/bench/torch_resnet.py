"""Defines ResNet-50 in PyTorch, in torchvision's geometry and names: what a step is compared with.

He et al., CVPR 2016, "v1.5" (a bottleneck strides in its 3x3 convolution), with one logit. Needs
the extra `torch`.
"""

import torch
from torch import nn


class Bottleneck(nn.Module):
    """Applies 1x1, 3x3 and 1x1 convolutions and a shortcut."""

    def __init__(self, channels: int, width: int, stride: int):
        """Makes the layers from `channels` to 4 * width channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        shortcut = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
        same = stride == 1 and channels == 4 * width
        self.downsample = None if same else nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps float [B, channels, H, W] to [B, 4 * width, H/stride, W/stride]."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """Maps normalised float [B, 3, H, W] to one logit each, [B]."""

    def __init__(self, width: int = 64):
        """Makes the layers; `width`: channels of the first stage."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        channels = width
        for stage, blocks in enumerate((3, 4, 6, 3)):
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Bottleneck(channels, width * 2**stage, stride))
                channels = 4 * width * 2**stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the logits; see the class."""
        x = torch.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))[:, 0]
