"""iclscope: theories of in-context learning next to trained transformers."""

__version__ = "0.1.0"
