"""The sequential architecture as hardware: one engine that computes layer after layer."""
