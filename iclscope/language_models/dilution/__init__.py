"""How much of a prompt must be about the task: demonstrations of which a share α' is, among irrelevant ones."""
