"""Celery by itself: chains of ten tasks that do nothing, on the broker that we use, results in Redis.

python -m benchmarks.celery_chain amqp://… redis://… --concurrency 32 --seconds 5
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
import uuid

from celery import Celery, chain

STEPS = 10
WORKERS = 2

app = Celery("benchmarks.celery_chain", broker=os.environ.get("CHAIN_BROKER"), backend=os.environ.get("CHAIN_RESULTS"))
app.conf.task_default_queue = os.environ.get("CHAIN_QUEUE", "chain")
app.conf.result_expires = 60


@app.task
def nothing() -> None:
    """Do nothing."""


def run_one() -> None:
    """Run a chain to its end."""
    chain(*[nothing.si() for _ in range(STEPS)]).apply_async().get(timeout=60)


def measure(concurrency: int, seconds: float) -> dict[str, float]:
    """Run chains from so many threads at a time."""
    run_one()
    done, lock = [0], threading.Lock()
    begin = time.perf_counter()

    def client() -> None:
        while time.perf_counter() - begin < seconds:
            run_one()
            with lock:
                done[0] += 1

    threads = [threading.Thread(target=client) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"per_s": done[0] / (time.perf_counter() - begin)}


def main() -> None:
    """Measure as told on the command line; the worker is a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("broker")
    parser.add_argument("results")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    environment = {"CHAIN_BROKER": options.broker, "CHAIN_RESULTS": options.results, "CHAIN_QUEUE": f"chain-{uuid.uuid4().hex}"}
    if "CHAIN_QUEUE" not in os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.celery_chain", *sys.argv[1:]], os.environ | environment)
    command = [sys.executable, "-m", "celery", "-A", "benchmarks.celery_chain", "worker", "-c", str(WORKERS), "-l", "error"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        print(json.dumps(measure(options.concurrency, options.seconds)))
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
