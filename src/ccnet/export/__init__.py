"""Networks for other engines, each checked against PyTorch before it is written."""

from ccnet.extras import require

require("export", "Exporting")

from ccnet.export.export import FORMATS, export_model

__all__ = ["FORMATS", "export_model"]
