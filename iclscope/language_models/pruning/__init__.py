"""`iclscope llm prune`: what is lost and saved without some MLP neurons."""
