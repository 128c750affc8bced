"""The training run: loop, loss, augmentation, checkpoint, curves."""
