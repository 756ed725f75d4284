"""What all tests need."""

import signal

# Tests send Ctrl-C to processes of their own. Where this one was started in the background of a shell, it ignores
# Ctrl-C, and all that it starts would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
