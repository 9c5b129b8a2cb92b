"""Outlives the test session: when the pipe from it closes, however that came about, what it left running is ended."""

import shutil
import signal
import sys
from pathlib import Path

from deploy.native import process


def main() -> None:
    home = Path(sys.argv[1])
    sys.stdin.buffer.read()
    for running in process.marked(home):
        process.send(running, signal.SIGKILL)
        process.wait_end(running, 10.0)
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
