"""Which network and which accelerator together: a search that fine-tunes what it looks at."""
