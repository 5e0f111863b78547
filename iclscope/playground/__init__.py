"""The playground: one page on which a one-layer transformer trains in the browser, with the theory drawn over it."""
