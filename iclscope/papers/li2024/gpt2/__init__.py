"""Figures of GPT-2 with three layers."""
