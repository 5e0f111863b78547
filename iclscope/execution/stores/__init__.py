"""Where what is finished is kept: rows, weights, and who is at work on what."""
