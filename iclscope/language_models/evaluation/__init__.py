"""`iclscope llm evaluate`: accuracy against the number of demonstrations."""
