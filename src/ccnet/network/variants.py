"""The published sizes of the network, and a small one."""

from __future__ import annotations

from dataclasses import dataclass

from ccnet.network.ccnet import CCNet


@dataclass(frozen=True)
class Variant:
    """Hyper-parameters of one network: `width` channels at full size, `modules` per stage."""

    width: int
    modules: int

    def build(self) -> CCNet:
        """Make the network, with fresh random weights."""
        return CCNet(width=self.width, modules=self.modules)


VARIANTS = {
    "dehaze-indoor": Variant(width=40, modules=4),
    "dehaze-outdoor": Variant(width=40, modules=4),
    "desnow": Variant(width=36, modules=6),
    "deblur": Variant(width=36, modules=16),
    "small": Variant(width=16, modules=2),
}
"""The four published variants of arXiv 2412.11008, and `small` for CPUs, which is ours."""
