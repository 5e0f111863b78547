"""What all rooms use, and what knows nothing of in-context learning."""
