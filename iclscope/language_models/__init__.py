"""The same questions for Hugging Face language models: does the theory help to prompt and to prune them?"""
