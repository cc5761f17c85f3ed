"""Clauses -> vectors: of the corpus itself, of a small English model, or the user's own."""
