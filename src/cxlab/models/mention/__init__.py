"""Parts of `cxlab.models.mentions`: rows, their likelihood, effects with learned scales, shares of comments."""
