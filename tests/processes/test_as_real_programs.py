"""Programs that are started in a world print and end as they do when they are really started. Long: ``pytest -m exhaustive tests/processes``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simsock import Simulation

pytestmark = pytest.mark.exhaustive
FILES = {
    "wrong.py": "def f():\n    raise KeyError('x')\n\nf()\n",
    "syntax.py": "def f(:\n",
    "chain.py": "import socket\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise OSError(5) from error\n",
    "folder/__main__.py": "import sys; print(sys.path[0], __file__, __package__, __spec__.name, __name__); 1 / 0",
    "package/__init__.py": "print('package', __name__)",
    "package/part.py": "import sys; print(__package__, __name__, sys.argv, sys.path[0]); sys.exit('words')",
}
CODES = [
    "def f(): 1 / 0\nf()",
    "import nosuch",
    "x =",
    "print(__name__, __builtins__, __spec__, __doc__, __package__, sorted(globals()))",
    "import sys; sys.exit(300)",
    "import sys; sys.exit('text')",
    "import sys; sys.exit(None)",
    "raise KeyboardInterrupt",
    "import sys; sys.stdout.close()",
    "import os; os.write(1, b'x'); os.close(1); print(3)",
    "import threading; print(threading.active_count(), threading.current_thread().name)",
    "import signal; print(signal.getsignal(2), signal.getsignal(15), signal.getsignal(13))",
    "import sys; print(sys.stdin.mode, sys.stdout.encoding, sys.stderr.errors, sys.stdout.name, sys.stdout.line_buffering, sys.stderr.line_buffering)",
    "import sys; print(sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook, sys.flags.isolated)",
    "def f(n):\n    return n and f(n - 1)\nprint(f(950))",
    "import multiprocessing as m; print(m.current_process().name, m.parent_process(), m.active_children(), m.get_start_method(True))",
    "import asyncio; asyncio.get_running_loop()",
    "import warnings; print(warnings.filters)",
    "import warnings; warnings.warn('x', DeprecationWarning); warnings.warn('y', ResourceWarning); warnings.warn('z')",
    "import logging; logging.warning('w'); logging.info('i'); logging.getLogger('x').error('e'); print(logging.root.handlers)",
    "import locale, sys, os; print(locale.getpreferredencoding(), sys.getfilesystemencoding(), sys.flags, os.getcwd(), sys.prefix)",
    "import sys; print(sys.path, sys.argv, sys.warnoptions, sys.executable, sys.orig_argv, sys.dont_write_bytecode)",
    "import sys; print(sorted({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - {'simsock', 'greenlet', '__main__'}))",
    "import atexit, sys; atexit.register(print, 'last'); sys.excepthook = lambda *a: print('hook', a[0]); 1 / 0",
    "class A:\n    def __del__(self): print('deleted')\na = A(); del a",
    "import sys; print(sys.stdin.read())",
    "import os; print(sorted(n for n in os.environ if n.startswith('PYTHON')), os.isatty(0), os.isatty(1))",
    "import decimal; print(decimal.getcontext().prec); import random; print(random.Random(3).random())",
    "print('ä' * 3); import sys; sys.stderr.write('\\udc80\\n')",
    "import builtins; print('_' in vars(builtins)); import __main__; print(__main__.__name__)",
    "import tempfile, os; d = tempfile.TemporaryDirectory(); print(os.path.isdir(d.name))",
    "import os; os.kill(os.getpid(), 15)",
    "import os; os._exit(7)",
]
LINES = [
    *(["-c", code] for code in CODES),
    *([option, "-c", CODES[21]] for option in ("-I", "-E", "-s", "-S", "-P", "-B", "-u", "-Wignore")),
    *([name] for name in FILES if "/" not in name),
    ["folder"],
    ["nosuch.py"],
    ["-m", "package.part", "a", "-b"],
    ["-m", "nosuch"],
    ["-m", "package"],
    ["-m", "json.tool", "--help"],
    ["-W", "error", "-c", CODES[18]],
]


def run(line):
    done = subprocess.run([sys.executable, *line], capture_output=True, input=b"some words", check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line)[:60])
def test_a_program_prints_and_ends_as_a_real_one(line, tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    real = run(line)
    with Simulation():
        assert run(line) == real
