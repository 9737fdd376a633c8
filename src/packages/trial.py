"""Imports modules of packages, in a sandbox that has nothing else."""

import importlib


def run(names):
    for name in names:
        importlib.import_module(name)
