"""One folder per paper: theory, settings, published values, figures; all that a reader of that paper needs."""
