"""What holds for all tests."""

import os
import signal

# A shell that runs the tests in the background has SIGINT ignored, and so would every program have
# that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests run on every core already, and threads of numerical libraries that wait for each other in
# busy loops take ten times the time of one. The libraries read this when they are loaded.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
