"""The figures of Li et al. 2024, one file each."""
