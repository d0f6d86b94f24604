"""A network applied to pictures of any size and kind."""

from ccnet.restoration.automatic import AutoRestorer
from ccnet.restoration.once import restore
from ccnet.restoration.restorer import Restorer

__all__ = ["AutoRestorer", "Restorer", "restore"]
