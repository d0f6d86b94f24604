"""The network of arXiv 2412.11008 in pure PyTorch."""

from ccnet.extras import require

require("torch", "The network")

from ccnet.network.averages import (
    Average,
    PartAverages,
    PinnedAverages,
    SharedAverages,
    picture_average,
)
from ccnet.network.ccnet import CCNet
from ccnet.network.variants import VARIANTS, Variant

__all__ = [
    "VARIANTS",
    "Average",
    "CCNet",
    "PartAverages",
    "PinnedAverages",
    "SharedAverages",
    "Variant",
    "picture_average",
]
