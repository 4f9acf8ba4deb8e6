"""Rating predictions: five folds of ml-latest-small, the same for both; ours must also err less."""

import csv
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from case import Case, data, saved

NAME = "ratings"
PACKAGES = ()
FOLDS = 5
# Surprise is built against numpy 1, which the other peers are not: it gets an environment of its own.
PINNED = ("scikit-surprise==1.1.4", "numpy==1.26.4", "scipy==1.17.1", "pandas==2.3.3", "setuptools==80.9.0")


def cases(quick):
    seeds = [0] if quick else [0, 1, 2]
    return [Case(f"SGD, folds of seed {seed}", must=1.0, reach=0.5, inputs={"seed": seed}) for seed in seeds]


def folded(seed):
    """User, item, value and fold, cut as Surprise's KFold(n_splits=5, random_state=seed) does: a shuffle, then parts."""
    with gzip.open(data("ml-latest-small/ratings.csv.gz"), "rt", newline="") as file:
        rows = [(int(r["userId"]), int(r["movieId"]), float(r["rating"])) for r in csv.DictReader(file)]
    users, items = {}, {}
    for user, item, _ in rows:
        users.setdefault(user, len(users))
        items.setdefault(item, len(items))
    order = np.arange(len(rows))
    np.random.RandomState(seed).shuffle(order)
    fold = np.empty(len(rows))
    for n, part in enumerate(np.array_split(order, FOLDS)):
        fold[part] = n
    return np.array([(users[u], items[i], value, fold[n]) for n, (u, i, value) in enumerate(rows)])


def environment(folder):
    """The interpreter that has Surprise; made once."""
    venv = folder / "venv-surprise"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINNED], check=True)
        (venv / "ready").touch()
    return str(venv / "bin/python")


def prepare(case, folder):
    seed = case.inputs["seed"]
    ratings = saved(folder / f"folds-{seed}.f64", lambda: folded(seed))
    return {"ratings": ratings, "folds": FOLDS, "seed": seed, "python": environment(folder)}


def svd(inputs):
    script = Path(__file__).resolve().parent.parent / "surprise_svd.py"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(inputs, file)
        file.flush()
        done = subprocess.run([inputs["python"], script, file.name], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


PEERS = {"surprise SVD": svd}


def check(case, ours, peers):
    theirs = peers["surprise SVD"]["rmse"]
    for name in ("rmse", "rmse_bayes"):
        if theirs < ours[name]:
            return f"{name} is {ours[name]:.4f}, that of Surprise's SVD {theirs:.4f}"
    return None
