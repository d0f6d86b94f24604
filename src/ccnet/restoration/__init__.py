"""A network applied to pictures of any size and kind."""

from ccnet.restoration.restorer import Restorer, restore

__all__ = ["Restorer", "restore"]
