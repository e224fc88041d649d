"""What a test that runs as root gives up, so that the system refuses it what it refuses others."""

import ctypes

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24  # linux/capability.h, linux/prctl.h


def allowed_no_more_than_modes_say():
    """Let a program that root starts be refused what file modes refuse."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
