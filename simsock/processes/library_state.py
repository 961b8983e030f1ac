"""What modules of the standard library remember, put back to what it is when Python begins.

PYTEST_DONT_REWRITE

Owns the list: loggers, warnings, asyncio's policy, what ``multiprocessing`` knows of its process, caches. Modules of the standard library stay loaded in a
program that is started, since the world stands on them. Law: for processes of their own only.
"""

from __future__ import annotations

import sys
from importlib import import_module, reload
from itertools import count
from typing import Any

kept: list[Any] = []
"""What was taken away: nothing of it is finalized."""


def reset() -> None:
    """All of it."""
    for name, put_back in _MODULES.items():
        module = sys.modules.get(name)
        if module is not None:
            put_back(module)


def _loggers(logging: Any) -> None:
    manager = logging.Logger.manager
    for logger in [logging.root, *manager.loggerDict.values()]:
        if isinstance(logger, logging.Logger):
            kept.extend(logger.handlers)
            logger.handlers, logger.filters = [], []
            logger.level, logger.propagate, logger.disabled = logging.NOTSET, True, False
            logger._cache.clear()
    logging.root.level = logging.WARNING
    manager.disable = logging.NOTSET
    kept.extend((logging._handlers.copy(), list(logging._handlerList)))
    logging._handlers.clear()
    logging._handlerList[:] = [ref for ref in logging._handlerList if ref() is logging.lastResort]
    logging.setLoggerClass(logging.Logger)
    logging.setLogRecordFactory(logging.LogRecord)
    logging.captureWarnings(False)


def warn_as(options: list[str]) -> None:
    """``warnings`` as at a start with these ``-W`` options."""
    if "_py_warnings" in sys.modules:  # from 3.14 on
        reload(sys.modules["_py_warnings"])
    warnings = reload(sys.modules["warnings"])
    warnings.resetwarnings()
    if not hasattr(sys, "gettotalrefcount"):
        warnings.filters.append(("default", None, DeprecationWarning, "__main__", 0))
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category=kind, append=True)
    warnings._processoptions(options)


def _of_multiprocessing(module: Any) -> None:
    kept.append((module._current_process, module._children))
    module._current_process = next(kind for kind in module.BaseProcess.__subclasses__() if kind.__name__ == "_MainProcess")()
    module._parent_process = None
    module._children = set()
    module._process_counter = count(1)


def _of_its_util(module: Any) -> None:
    kept.append(dict(module._finalizer_registry))
    module._finalizer_registry.clear()
    module._afterfork_registry.clear()
    module._logger, module._log_to_stderr, module._exiting = None, False, False
    import_module("atexit").register(module._exit_function)


def _of_its_context(module: Any) -> None:
    module._default_context._actual_context = None


def _of_asyncio(module: Any) -> None:
    kept.append(module._event_loop_policy if hasattr(module, "_event_loop_policy") else None)
    module._event_loop_policy = None


def _of_mimetypes(module: Any) -> None:
    module.inited, module._db = False, None


def _of_pools(module: Any) -> None:
    for name in ("_threads_queues", "_threads_wakeups"):
        known = getattr(module, name, None)
        if known is not None:
            kept.append(dict(known))
            known.clear()
    module._shutdown = module._global_shutdown = False


_MODULES: dict[str, Any] = {
    "logging": _loggers,
    "concurrent.futures.thread": _of_pools,
    "concurrent.futures.process": _of_pools,
    "multiprocessing.process": _of_multiprocessing,
    "multiprocessing.util": _of_its_util,
    "multiprocessing.context": _of_its_context,
    "asyncio.events": _of_asyncio,
    "mimetypes": _of_mimetypes,
}

__all__ = ["reset", "warn_as"]
