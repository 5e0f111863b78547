"""From texts to prompts and tokens, and from a model's numbers to answers."""
