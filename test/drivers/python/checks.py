"""Runs every function of a module whose name begins with `it_`, and prints what came of it, a line of JSON each."""

import asyncio
import inspect
import json
import os
import traceback

SLOW_QUERY = os.environ["SLOW_QUERY"]


def run(module: dict) -> None:
    for name, check in list(module.items()):
        if not name.startswith("it_"):
            continue
        error = None
        try:
            if inspect.iscoroutinefunction(check):
                asyncio.run(asyncio.wait_for(check(), 20))
            else:
                check()
        except BaseException:
            error = traceback.format_exc(limit=-4)
        print(json.dumps({"check": name, "error": error}), flush=True)


def raises(expected, action):
    """The exception that `action` throws; another one, or none, is a failure."""
    try:
        action()
    except expected as error:
        return error
    raise AssertionError(f"{expected.__name__} was not raised")
