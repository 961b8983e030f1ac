"""The kernel: virtual time, tasks, one scheduler, descriptors, and the record of what happened."""

from simsock.kernel.core import Kernel
from simsock.kernel.files import OpenFile, Process
from simsock.kernel.limits import Limits
from simsock.kernel.session import Session
from simsock.kernel.task import Task

SIMSOCK_ROOM = "inside"

__all__ = ["Kernel", "Limits", "OpenFile", "Process", "Session", "Task"]
