"""GPT-2 forward and backward by hand, compiled: blocks of prompts that stay in the cache, products by tiles."""
