"""How good models are: named protocols over pairs on disk, and the reports of them."""

from ccnet.extras import require

require("evaluate", "Measuring")

from ccnet.evaluation.evaluate import evaluate

__all__ = ["evaluate"]
