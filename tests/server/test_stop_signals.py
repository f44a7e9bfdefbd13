"""Signals that ask a process to end: each is noticed, at whatever moment it comes."""

import subprocess
import sys

# Signals that come just as the main thread goes to sleep, again and again.
PROGRAM = """
import os, random, signal, sys, threading, time
from adscore_server.process.signals import STOP, stop_signals

sys.setswitchinterval(1e-6)
told = stop_signals(lambda *_: None)

def send(number, seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass
    os.kill(os.getpid(), number)

for place in range(3000):
    arguments = (STOP[place % 2], random.uniform(0, 0.0004))
    sender = threading.Thread(target=send, args=arguments)
    sender.start()
    assert len(told.recv(1)) == 1
    sender.join()
print("noticed")
"""


def test_no_signal_is_missed_as_the_process_goes_to_sleep() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "noticed\n"
