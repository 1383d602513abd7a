"""The device that torch works on."""

import os

import torch

from apcli.errors import UsageError, first_line


def device_of(name: str, *, deterministic: bool = True) -> torch.device:
    """The numbered device that ``--device`` means; ``auto`` is CUDA if there is one, and each process has its own.

    Sets float32 to full precision: by default cuDNN rounds the operands of convolutions to ten bits (TF32).

    Raises:
        UsageError: this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and (rank := os.environ.get("LOCAL_RANK")) is not None:
        name = f"cuda:{rank}"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        known = "expected auto, cpu, cuda or cuda:N"
        if name.partition(":")[0] == "gpu":
            raise UsageError(f"--device {name}: here it is {name.replace('gpu', 'cuda')}; {known}") from None
        reason = first_line(error)
        why = "" if reason.startswith("Expected one of") else f" ({reason})"
        raise UsageError(f"--device {name} cannot be used{why}: {known}") from None
    if device.type == "cuda":
        torch.cuda.set_device(device)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(deterministic, warn_only=True)  # a kernel without a deterministic form warns
        # No code here reads memory that it did not write.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic = deterministic
        torch.backends.cudnn.benchmark = not deterministic
        # The older of torch's two names for each: `cudnn.flags()` raises once the newer one is set.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return device
