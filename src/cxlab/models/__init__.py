"""Generative models, one a file and independent of each other."""
