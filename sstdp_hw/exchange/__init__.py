"""Networks from elsewhere and back: NIR graphs, and plain arrays of numbers."""
