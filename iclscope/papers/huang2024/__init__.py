"""Huang, Cheng and Liang 2024: how training of one softmax-attention layer converges, phase by phase."""
