"""The one page: what changed, how sure we are, what to do, told from the findings of the other notebooks."""
