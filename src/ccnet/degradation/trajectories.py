"""How a camera, and an object before it, move while the shutter is open.

A path has six coordinates, all in pixels: the picture's shift to the right and down, its rotation
and its zoom (each as the shift they cause at the typical distance from the centre), and an
object's own shift to the right and down. Hands move with inertia, some steadily, some with sudden
knocks: Boracchi and Foi, "Modeling the Performance of Image Restoration from Motion Blur" (TIP
2012).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ccnet.degradation.randomness import happens, uniform

COORDINATES = 6
MOMENTS = 64
"""Steps of time in which a path is made."""


def random_paths(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a path for each picture of `like` (N, 3, H, W): (N, MOMENTS + 1, 6), of length 1.

    Half are nearly straight and steady, as in a few neighbouring frames of a video; a quarter
    shake; in a quarter an object moves as well, before a camera that shakes or hardly moves.
    """
    count = len(like)
    kind = uniform(0, 4, (count, 1, 1), like, generator).floor()
    jitter = torch.where(
        kind < 2,
        10 ** uniform(-2, -0.7, (count, 1, 1), like, generator),
        uniform(0.5, 3, (count, 1, 1), like, generator),
    )
    drift = torch.randn(
        (count, 1, COORDINATES), generator=generator, device=like.device, dtype=like.dtype
    )
    velocity = drift + jitter * _shaking(like, generator)
    steps = velocity * _shares(like, (kind == 3).to(like.dtype), generator)
    steps = steps / steps.norm(dim=2, keepdim=True).sum(1, keepdim=True).clamp(min=1e-12)
    return F.pad(steps.cumsum(1), (0, 0, 1, 0))


def sample_evenly(paths: Tensor, instants: int) -> tuple[Tensor, Tensor]:
    """Take `instants` points at equal distances along each of `paths` (N, T, C), around their mean.

    Returns positions (N, instants, C), whose weighted mean is 0, and weights (N, instants), the
    part of the time spent around each: they sum to 1. Equal times would leave gaps where the
    motion is fast, which show as steps in a streak.
    """
    distances = paths.diff(dim=1).norm(dim=2) + 1e-9
    along = F.pad(distances.cumsum(1), (1, 0))
    along = along / along[:, -1:]
    edges = torch.linspace(0, 1, 2 * instants + 1, device=paths.device, dtype=paths.dtype)
    edges = edges.expand(len(paths), -1).contiguous()
    last = paths.shape[1] - 2
    before = (torch.searchsorted(along, edges, right=True) - 1).clamp(0, last)
    start, end = along.gather(1, before), along.gather(1, before + 1)
    part = (edges - start) / (end - start)
    weights = ((before + part) / (last + 1))[:, ::2].diff(dim=1)
    at = before[:, 1::2, None].expand(-1, -1, paths.shape[2])
    positions = torch.lerp(paths.gather(1, at), paths.gather(1, at + 1), part[:, 1::2, None])
    return positions - (weights[..., None] * positions).sum(1, keepdim=True), weights


def _shaking(like: Tensor, generator: torch.Generator) -> Tensor:
    """Velocities of a hand (N, MOMENTS, 6): noise and up to a few knocks, smoothed by inertia."""
    shape = (len(like), MOMENTS, COORDINATES)
    one = (len(like), 1, 1)
    pushes = torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
    knocks = uniform(0, 1, (*shape[:2], 1), like, generator)
    knocked = knocks < uniform(0, 3 / MOMENTS, one, like, generator)
    pushes = pushes * (1 + 7 * knocked)
    inertia = uniform(0.8, 0.98, one, like, generator)
    moments = torch.arange(MOMENTS, device=like.device, dtype=like.dtype)
    decay = (inertia ** (moments[:, None] - moments).clamp(min=0)).tril()
    return (1 - inertia.square()).sqrt() * (decay @ pushes)


def _shares(like: Tensor, with_object: Tensor, generator: torch.Generator) -> Tensor:
    """How much of the motion is in each coordinate: (N, 1, 6)."""
    one = (len(like), 1, 1)
    # Walking forwards, or turning the camera around its axis, leaves hardly any shift.
    turning = happens(0.2, like, generator)[:, 0]
    shift = 1 - turning * uniform(0.5, 1, one, like, generator)
    down = uniform(0.4, 1, one, like, generator)
    rotation, zoom = uniform(0, 1, (len(like), 1, 2), like, generator).square().chunk(2, 2)
    camera = torch.cat((shift, shift * down, rotation, zoom), 2)
    stillness = 1 - with_object * uniform(0, 1, one, like, generator)
    moving = with_object * uniform(0.4, 1.5, one, like, generator)
    return torch.cat((stillness * camera, moving, moving), 2)
