"""What the generated hardware reaches on MNIST, beside published accelerators, by one command."""
