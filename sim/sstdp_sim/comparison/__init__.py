"""Answers of the hardware beside those of the reference, and the record of it."""
