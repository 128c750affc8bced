"""The network in training: layers, encoder, quantization, pruning, export."""
