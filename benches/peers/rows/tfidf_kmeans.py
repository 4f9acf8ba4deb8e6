"""TF-IDF and K-Means of Chinese reviews, against scikit-learn: the same tokens, clusters and iterations."""

import csv
import gzip
import random
import time

from case import Case, data

NAME = "tfidf_kmeans"
PACKAGES = ("scikit-learn", "jieba", "numpy", "scipy")

REVIEWS, QUICK_REVIEWS, SEED = 100_000, 3_000, 20
CLUSTERS, ITERATIONS, SEEDS = 20, 20, 3
TEXTS_MIN, TEXTS_MAX_SHARE = 5, 0.5
# How much the mean inertia of a few random starts may lie above the peer's, and that of the same start (rounding).
SLACK_RANDOM, SLACK_SAME = 2e-3, 1e-4


def cases(quick):
    data("online_shopping_10_cats/online_shopping_10_cats.csv.gz")
    n = QUICK_REVIEWS if quick else REVIEWS
    size = f"{n // 1000}k reviews, k={CLUSTERS}"
    return [
        Case(f"TF-IDF + K-Means, {size}, same start", must=1.0, reach=0.5, inputs={"n": n, "same": True}),
        Case(f"TF-IDF + K-Means, {size}, k-means++", must=1.0, reach=0.5, inputs={"n": n, "same": False}),
    ]


def reviews(n):
    """Tokens of `n` reviews: those of the set first, then second halves of one after first halves of another."""
    import jieba

    with gzip.open(data("online_shopping_10_cats/online_shopping_10_cats.csv.gz"), "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dice = random.Random(SEED)
    dice.shuffle(rows)
    tokens = [[t for t in (t.strip() for t in jieba.cut(row["review"])) if t] for row in rows[:n]]
    while len(tokens) < n:
        one, other = dice.choice(tokens), dice.choice(tokens)
        tokens.append(one[: len(one) // 2] + other[len(other) // 2 :])
    return tokens


def prepare(case, folder):
    n = case.inputs["n"]
    path = folder / f"{n}.tokens"
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_text("".join(" ".join(t) + "\n" for t in reviews(n)), encoding="utf-8")
        partial.rename(path)
    starts = [random.Random(SEED + s).sample(range(n), CLUSTERS) for s in range(SEEDS)]
    return {
        "tokens": str(path), "texts_min": TEXTS_MIN, "texts_max": int(TEXTS_MAX_SHARE * n),
        "clusters": CLUSTERS, "iterations": ITERATIONS, "starts": starts if case.inputs["same"] else None,
        "seeds": list(range(1, SEEDS + 1)),
    }


def scikit(algorithm):
    def run(inputs):
        import numpy as np
        from sklearn.cluster import KMeans
        from sklearn.feature_extraction.text import TfidfVectorizer

        with open(inputs["tokens"], encoding="utf-8") as file:
            texts = file.read().split("\n")[:-1]
        seconds, inertias, iterations, tf_idf_s = [], [], [], []
        for i, seed in enumerate(inputs["seeds"]):
            began = time.perf_counter()
            vectorizer = TfidfVectorizer(
                analyzer=str.split, dtype=np.float32, min_df=inputs["texts_min"], max_df=inputs["texts_max"]
            )
            rows = vectorizer.fit_transform(texts)
            tf_idf_s.append(time.perf_counter() - began)
            init = rows[inputs["starts"][i]].toarray() if inputs["starts"] else "k-means++"
            model = KMeans(
                n_clusters=inputs["clusters"], init=init, n_init=1, max_iter=inputs["iterations"], tol=0.0,
                algorithm=algorithm, random_state=seed,
            ).fit(rows)
            seconds.append(time.perf_counter() - began)
            inertias.append(float(model.inertia_))
            iterations.append(int(model.n_iter_))
        return {"seconds": seconds, "tf_idf_s": tf_idf_s, "inertias": inertias, "iterations": iterations,
                "terms": len(vectorizer.vocabulary_), "entries": int(rows.nnz)}

    return run


PEERS = {"scikit-learn lloyd": scikit("lloyd"), "scikit-learn elkan": scikit("elkan")}


def check(case, ours, peers):
    mean = lambda side: sum(side["inertias"]) / len(side["inertias"])  # noqa: E731
    slack = SLACK_SAME if case.inputs["same"] else SLACK_RANDOM
    for name, side in peers.items():
        for what in ("terms", "entries"):
            if ours[what] != side[what]:
                return f"{what} {ours[what]}, {name} {side[what]}"
        if mean(side) * (1 + slack) < mean(ours):
            return f"inertia {mean(ours):.6g}, {name} {mean(side):.6g}"
    return None
