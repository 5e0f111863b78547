"""What may be said of numbers: intervals, regions, logical forms, verdicts."""
