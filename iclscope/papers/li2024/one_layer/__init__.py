"""Figures of the one-layer model: training, generalization, and what the theorems ask for."""
