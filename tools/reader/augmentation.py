"""Altered copies of the digits: turned, stretched, sheared, shifted and a little warped."""

import math

import torch
from torch import Tensor, nn

ROTATION = 9.0  # degrees, at most, to either side
STRETCH = 0.09  # share of the size
SHEAR = 0.10
SHIFT = 1.3  # pixels
WARP = 0.8  # pixels, standard deviation of the strongest elastic warp
COARSE = 7  # the warp is drawn on a grid of 7 x 7 and interpolated


def altered(pictures: Tensor, seed: int) -> Tensor:
    """Alter each picture at random.

    Parameters
    ----------
    pictures : uint8 Tensor of shape (n, 28, 28)
        Ink.
    seed : int
        Seed of all that is drawn.

    Returns
    -------
    uint8 Tensor of shape (n, 28, 28)
        One altered copy of each.
    """
    draw = torch.Generator().manual_seed(seed)
    return torch.cat([_altered(part, draw) for part in pictures.split(5_000)])


def _altered(pictures: Tensor, draw: torch.Generator) -> Tensor:
    n, height, width = pictures.shape

    def up_to(limit: float) -> Tensor:
        return (torch.rand(n, generator=draw) * 2 - 1) * limit

    angle = up_to(ROTATION * math.pi / 180)
    wide, tall = 1 + up_to(STRETCH), 1 + up_to(STRETCH)
    move = torch.stack(
        [
            torch.stack([angle.cos() * wide, up_to(SHEAR) - angle.sin() * tall, up_to(SHIFT / 14)]),
            torch.stack([angle.sin() * wide, angle.cos() * tall, up_to(SHIFT / 14)]),
        ]
    ).permute(2, 0, 1)
    places = nn.functional.affine_grid(move, [n, 1, height, width], align_corners=False)
    strength = WARP / 14 * (0.3 + 0.7 * torch.rand(n, 2, 1, 1, generator=draw))
    warp = strength * torch.randn(n, 2, COARSE, COARSE, generator=draw)
    warp = nn.functional.interpolate(warp, (height, width), mode="bicubic", align_corners=True)
    places = places + warp.permute(0, 2, 3, 1)
    new = nn.functional.grid_sample(pictures[:, None].float(), places, align_corners=False)
    return new[:, 0].round().clamp(0, 255).byte()
