"""Where the network's parts take the forms that they have in Triton."""

from __future__ import annotations

import torch
from torch import Tensor

try:
    from ccnet.network import channel_norm, depthwise, star_tail, strips
except ImportError:  # PyTorch for CPUs comes without Triton
    channel_norm = depthwise = star_tail = strips = None  # type: ignore[assignment]

__all__ = ["channel_norm", "depthwise", "star_tail", "strips", "triton_infers", "triton_runs"]


def triton_runs(features: Tensor) -> bool:
    """Tell whether `features` are on a GPU on which Triton runs."""
    return depthwise is not None and features.is_cuda and depthwise.works(features.device)


def triton_infers(features: Tensor) -> bool:
    """The same where no gradients are asked for, which most of the forms do not have."""
    return not torch.is_grad_enabled() and triton_runs(features)
