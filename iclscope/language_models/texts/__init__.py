"""Texts as people have them: files of every kind, data frames, and what counts as the same text."""
