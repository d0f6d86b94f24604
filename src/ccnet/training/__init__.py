"""Training CCNet: loss, schedule, Lightning module, recipes and the run itself."""

from ccnet.extras import require

require("train", "Training")
