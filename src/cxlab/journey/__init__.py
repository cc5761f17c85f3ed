"""Expectation and experience by touchpoint, moments of truth, paths, and who leaves."""
