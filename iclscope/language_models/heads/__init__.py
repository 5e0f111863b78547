"""`iclscope llm attention`: where each head looks from the query."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
