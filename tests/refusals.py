"""What a refusal says: the option, and the value that it got."""

from __future__ import annotations


def says(line: str, words: str) -> bool:
    """Whether a line says the words; ``seeds = 0`` stands for an option and the value that it got."""
    if "; " in words:
        return all(says(line, part) for part in words.split("; "))
    option, is_pair, value = words.partition(" = ")
    return words in line or (bool(is_pair) and f"{option}: expected " in line and f", got {value}" in line)
