"""iALS sweeps: the same objective, start and number of sweeps as `implicit` on CPU, its solvers against ours."""

import numpy as np

from case import Case, data, saved

NAME = "als"
PACKAGES = ("implicit", "numpy", "scipy")
# implicit runs its own threads over rows and asks for a BLAS without threads. numpy asks the kernel for huge pages for its
# arrays; ours gets the same.
VARIABLES = {"shoptide": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}, "implicit": {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}}

# c = 1 + ALPHA s where something was seen, 1 elsewhere; the same regularisation for every row, as implicit has it.
ALPHA, REGULARIZATION, SEED = 10.0, 0.1, 20
# Ours needs a step less than implicit's three for a lower loss: its equations are preconditioned.
STEPS = 2
SYNTHETIC_USERS, SYNTHETIC_ITEMS, SYNTHETIC_EVENTS, GROUPS = 150_000, 50_000, 10_000_000, 60
# Sweeps: enough for a median, few enough for the slowest solver.
SWEEPS = {("gowalla", "cg"): 8, ("gowalla", "cholesky"): 4, ("synthetic", "cg"): 4, ("synthetic", "cholesky"): 2}


def cases(quick):
    sets = ["small"] if quick else ["gowalla", "synthetic"]
    names = {"gowalla": "Gowalla", "synthetic": "synthetic 10 M", "small": "synthetic 50 k"}
    solvers = {"cg": "conjugate gradient", "cholesky": "Cholesky"}
    return [
        Case(
            f"{names[of]}, {factors} factors, {solvers[solver]}", must=0.7, reach=0.4,
            inputs={"set": of, "factors": factors, "solver": solver},
        )
        for of in sets for solver in solvers for factors in (64, 128)
    ]


def gowalla():
    pairs = np.loadtxt(data("bench/gowalla/train.tsv.gz"), dtype=np.int64, skiprows=1)
    return pairs[:, 0], pairs[:, 1], pairs[:, 0].max() + 1, pairs[:, 1].max() + 1


def synthetic(n_users, n_items, n_events):
    """Users and items of very different popularity; most of a user's events are within their group."""
    rng = np.random.default_rng(SEED)
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < n_events:
        n = (n_events - len(keys)) * 3 // 2 + 1000
        users = (rng.beta(0.8, 2.5, n) * n_users).astype(np.int64)
        group = users * 7919 % GROUPS
        item = (n_items * rng.random(n) ** 2.5).astype(np.int64)
        mine = rng.random(n) < 0.7
        item = np.where(mine, item // GROUPS * GROUPS + group, item) % n_items
        keys = np.union1d(keys, users * n_items + item)
    keys = np.sort(rng.choice(keys, n_events, replace=False))
    return keys // n_items, keys % n_items, n_users, n_items


def prepare(case, folder):
    of, factors = case.inputs["set"], case.inputs["factors"]
    paths = {name: folder / f"{of}.{name}" for name in ("ptr", "cols", "strengths", "shape")}
    if not paths["shape"].exists():
        if of == "gowalla":
            users, items, n_users, n_items = gowalla()
        elif of == "synthetic":
            users, items, n_users, n_items = synthetic(SYNTHETIC_USERS, SYNTHETIC_ITEMS, SYNTHETIC_EVENTS)
        else:
            users, items, n_users, n_items = synthetic(2_000, 1_000, 50_000)
        order = np.lexsort((items, users))
        users, items = users[order], items[order]
        strengths = np.random.default_rng(SEED).integers(1, 4, len(users)).astype(np.float32)
        saved(paths["ptr"], lambda: np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))]).astype("<u8"))
        saved(paths["cols"], lambda: items.astype("<u4"))
        saved(paths["strengths"], lambda: strengths)
        saved(paths["shape"], lambda: np.array([n_users, n_items], dtype="<u8"))
    n_users, n_items = map(int, np.fromfile(paths["shape"], dtype="<u8"))

    def start(rows, seed):
        return np.random.default_rng(seed).random((rows, factors), dtype=np.float32) * 0.01

    return {
        "ptr": str(paths["ptr"]), "cols": str(paths["cols"]), "strengths": str(paths["strengths"]),
        "n_users": n_users, "n_items": n_items, "factors": factors, "solver": case.inputs["solver"],
        "alpha": ALPHA, "regularization": REGULARIZATION,
        # Two sweeps of a small set are settled by less than one step.
        "steps": STEPS + (of == "small"),
        "sweeps": SWEEPS.get((of, case.inputs["solver"]), 2),
        "user_start": saved(folder / f"{of}-{factors}.users", lambda: start(n_users, SEED + 1)),
        "item_start": saved(folder / f"{of}-{factors}.items", lambda: start(n_items, SEED + 2)),
    }


def implicit_peer(inputs):
    import time

    import scipy.sparse as sparse
    from implicit.cpu.als import AlternatingLeastSquares

    n_users, n_items, factors = inputs["n_users"], inputs["n_items"], inputs["factors"]
    confidence = 1.0 + inputs["alpha"] * np.fromfile(inputs["strengths"], dtype="<f4")
    matrix = sparse.csr_matrix(
        (confidence.astype(np.float32), np.fromfile(inputs["cols"], dtype="<u4").astype(np.int32),
         np.fromfile(inputs["ptr"], dtype="<u8").astype(np.int32)),
        shape=(n_users, n_items),
    )
    model = AlternatingLeastSquares(
        factors=factors, regularization=inputs["regularization"], alpha=1.0, use_native=True,
        use_cg=inputs["solver"] == "cg", iterations=inputs["sweeps"], num_threads=inputs["threads"],
    )
    model.user_factors = np.fromfile(inputs["user_start"], dtype="<f4").reshape(n_users, factors)
    model.item_factors = np.fromfile(inputs["item_start"], dtype="<f4").reshape(n_items, factors)
    seconds = []
    began = time.perf_counter()
    model.fit(matrix, show_progress=False, callback=lambda _, elapsed, __: seconds.append(elapsed))
    fit_s = time.perf_counter() - began
    return {"seconds": seconds, "fit_s": fit_s,
            "loss": loss(matrix, model.user_factors, model.item_factors, inputs["regularization"])}


def loss(matrix, users, items, regularization):
    """The objective over every pair, in f64."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    total = float(np.sum((users.T.astype(np.float64) @ users) * (items.T.astype(np.float64) @ items)))
    for begin in range(0, len(rows), 1 << 18):
        part = slice(begin, begin + (1 << 18))
        score = np.einsum("ij,ij->i", users[rows[part]], items[matrix.indices[part]], dtype=np.float64)
        total += float(np.sum(matrix.data[part].astype(np.float64) * (1 - score) ** 2 - score**2))
    squares = np.sum(users.astype(np.float64) ** 2) + np.sum(items.astype(np.float64) ** 2)
    return total + regularization * float(squares)


PEERS = {"implicit": implicit_peer}


def check(case, ours, peers):
    theirs = peers["implicit"]["loss"]
    return None if ours["loss"] <= theirs * (1 + 1e-4) else f"loss {ours['loss']:.6g}, implicit {theirs:.6g}"
