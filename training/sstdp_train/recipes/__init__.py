"""What is trained and how: architectures, recipes."""
