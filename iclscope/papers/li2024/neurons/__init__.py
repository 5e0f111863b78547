"""Figures of MLP neurons: what they encode, and which may be pruned."""
