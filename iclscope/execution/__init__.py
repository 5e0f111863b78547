"""Who does the work: groups of trials that train together, and engines that perform them, here or on Ray."""
