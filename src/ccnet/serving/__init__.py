"""A server: an HTTP API and a web page, in one process on one port."""

from ccnet.extras import require

require("serve", "Serving")

from ccnet.serving.server import serve
from ccnet.serving.settings import Settings

__all__ = ["Settings", "serve"]
