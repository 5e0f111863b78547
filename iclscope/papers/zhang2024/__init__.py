"""Zhang, Frei and Bartlett 2024: one file per figure."""
