"""What a network computes, in numpy, and what that is worth on labelled images."""
