"""Training CCNet: loss, schedule, Lightning module, recipes and the run itself."""
