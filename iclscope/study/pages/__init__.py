"""Rows and judged claims → tables and HTML pages. Nothing here trains or loads a model."""
