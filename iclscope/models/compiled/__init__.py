"""What compiled engines share: how loops are compiled and kept, and products of matrices by tiles."""
