"""What a run folder tells, collected and written for a person."""
