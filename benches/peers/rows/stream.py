"""Learning one event: all our models of a stream together, against river's BiasedMF alone."""

import csv
import gzip
import time

import numpy as np

from case import Case, data, saved

NAME = "stream"
PACKAGES = ("river",)
# Both sides learn one event after the other.
THREADS = (1,)
RANK = 10


def cases(quick):
    sizes = [("synthetic 20k events", 20_000)] if quick else [("ml-latest-small", 0), ("synthetic 300k events", 300_000)]
    return [Case(label, must=0.05, reach=0.02, inputs={"events": events}) for label, events in sizes]


def movielens():
    with gzip.open(data("ml-latest-small/ratings.csv.gz"), "rt", newline="") as file:
        rows = [(int(r["timestamp"]), int(r["userId"]), int(r["movieId"]), float(r["rating"])) for r in csv.DictReader(file)]
    rows.sort(key=lambda row: row[0])
    users, items = {}, {}
    for _, user, item, _ in rows:
        users.setdefault(user, len(users))
        items.setdefault(item, len(items))
    return np.array([(users[user], items[item], value, at) for at, user, item, value in rows])


def synthetic(events, seed=21):
    """Zipf items, as shops have; 10k users, 20k items, half stars."""
    dice = np.random.default_rng(seed)
    items = np.minimum(dice.zipf(1.2, events) - 1, 19_999)
    users = dice.integers(0, 10_000, events)
    return np.column_stack([users, items, dice.integers(1, 11, events) / 2, np.arange(events) * 60]).astype(np.float64)


def prepare(case, folder):
    events = case.inputs["events"]
    make = movielens if events == 0 else (lambda: synthetic(events))
    return {"events": saved(folder / f"{case.key()}.f64", make), "rank": RANK, "positive": 4.0}


def river_peer(inputs):
    from river import reco

    rows = np.fromfile(inputs["events"]).reshape(-1, 4)
    events = [(int(user), int(item), float(value)) for user, item, value, _ in rows]
    model = reco.BiasedMF(n_factors=inputs["rank"], seed=1)
    began = time.perf_counter()
    for user, item, value in events:
        model.learn_one(user=user, item=item, y=value)
    return {"seconds": [time.perf_counter() - began], "events": len(events)}


PEERS = {"river": river_peer}


def check(case, ours, peers):
    if any(theirs["events"] != ours["events"] for theirs in peers.values()):
        return "not as many events"
    return None
