"""Pictures to train and validate on."""

from ccnet.datasets.crops import CropBatches
from ccnet.datasets.photographs import Photographs, split_photographs

__all__ = ["CropBatches", "Photographs", "split_photographs"]
