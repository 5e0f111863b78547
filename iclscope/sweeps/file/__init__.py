"""A sweep's file: from its text to checked trials."""
