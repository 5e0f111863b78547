"""Hugging Face language models: loaded, named by all their bytes, read in parts, and checked to give numbers."""
