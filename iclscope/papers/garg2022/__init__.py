"""Garg, Tsipras, Liang and Valiant 2022: which functions a GPT-2 learns in context."""
