"""Waiting for what other processes do, and for their end."""

import time

import psutil

SECONDS_TO_BEGIN = 60
SECONDS_TO_DIE = 10


def wait_for(happened):
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not happened():
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.02)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def require_gone(pids):
    deadline = time.monotonic() + SECONDS_TO_DIE
    while not all(gone(pid) for pid in pids):
        left = [pid for pid in pids if not gone(pid)]
        assert time.monotonic() < deadline, f"{left} still run"
        time.sleep(0.05)
