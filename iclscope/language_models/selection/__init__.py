"""`iclscope llm select`: selectors of demonstrations at equal shots."""

from iclscope.core.backend_variable import import_matplotlib

import_matplotlib()  # before any figure does
