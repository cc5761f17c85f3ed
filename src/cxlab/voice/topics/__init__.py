"""Vectors -> topics that come back from refit to refit, as analysts name, merge and split them."""
