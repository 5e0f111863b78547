"""Maps of two settings with the theorems' boundaries on them."""
