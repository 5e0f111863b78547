"""Many trials: where they are kept and how they are run."""
