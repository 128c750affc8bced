"""From float weights and thresholds to integers, and a report of what that cost."""
