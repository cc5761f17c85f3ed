"""Texts -> clauses and words: languages, copies, contact phrases, conversations, quotes."""
