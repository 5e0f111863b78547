"""What is about several papers at once: their models on one common task."""
