"""Limits of the system, known in the words of every library and told with what to do."""

import errno

import pytest

from meddef_lib.engine.limits import LimitReached, NoRoomLeft, advice, reached, within_limits
from meddef_lib.errors import FAILED, UserError


@pytest.mark.parametrize(
    ("error", "to_do"),
    [
        (RuntimeError("database or disk is full"), "invoke clean --stale"),  # SQLite
        (RuntimeError("I/O error: No space left on device (os error 28)"), "make room"),  # safetensors
        (OSError("9 requested and 0 written"), "make room"),  # NumPy
        (OSError("[Errno 28] Error writing bytes to file. Detail: No space left on device"), "make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "make room"),
        (OSError(errno.EFBIG, "File too large"), "ulimit -f"),
        (RuntimeError("I/O error: File too large (os error 27)"), "ulimit -f"),  # safetensors
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (ImportError("libfoo.so: cannot open shared object file: Too many open files"), "ulimit -n"),
        (MemoryError(), "--workers"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "batch_size"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "batch"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "the GPU .*batch_size"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "the GPU"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), "the GPU .*batch_size"),
        (
            RuntimeError("OpenCV(4.11) error: (-4:Insufficient memory) Failed to allocate"),
            "batch_size",
        ),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "ulimit -v"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ],
)
def test_a_limit_is_known_in_every_librarys_words(error, to_do):
    with pytest.raises(LimitReached, match=to_do) as told, within_limits("under the store"):
        raise error
    assert told.value.exit_code == FAILED
    assert told.value.__cause__ is error
    assert isinstance(told.value, NoRoomLeft) == ("room" in str(told.value) or "-f" in str(told.value))


def test_the_memory_of_a_gpu_is_not_that_of_the_system():
    assert "ulimit" not in advice("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")


def test_the_cause_counts_and_our_own_words_do_not():
    assert reached(UserError("profile 'out of memory' is not known")) is None
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(NoRoomLeft, match="no room left under the store"), within_limits("under the store"):
        raise UserError("the store cannot be locked") from full


def test_other_errors_travel_on():
    with pytest.raises(OSError, match="broken"), within_limits("here"):
        raise OSError(errno.EIO, "broken")
    with pytest.raises(KeyboardInterrupt), within_limits("here"):
        raise KeyboardInterrupt


def test_what_a_log_says_is_answered_with_what_to_do():
    assert "ulimit -u" in advice("libgomp: Thread creation failed: Resource temporarily unavailable\n")
    assert "batch_size" in advice("terminate called after throwing an instance of 'std::bad_alloc'")
    assert advice("ValueError: no such luck") == ""
