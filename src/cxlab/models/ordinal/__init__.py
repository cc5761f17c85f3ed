"""Parts of a cumulative-logit model on cell counts: checked tables, contrasts, the packed graph."""
