"""What holds for all tests."""

import signal

# A shell that runs the tests in the background has SIGINT ignored, and so would every program have
# that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
