"""Surprise's SVD over given folds: `surprise_svd.py INPUTS.json` prints one JSON object.

Run by `rows/ratings.py` in an environment of its own: Surprise is built against numpy 1.
"""

import json
import sys
import time

import numpy as np
import pandas
from surprise import SVD, Dataset, Reader, accuracy


def main(inputs):
    table = np.fromfile(inputs["ratings"]).reshape(-1, 4)
    reader = Reader(rating_scale=(0.5, 5))
    seconds, rmse = 0.0, []
    for fold in range(inputs["folds"]):
        train, test = table[table[:, 3] != fold], table[table[:, 3] == fold]
        columns = {"user": train[:, 0].astype(int), "item": train[:, 1].astype(int), "rating": train[:, 2]}
        trainset = Dataset.load_from_df(pandas.DataFrame(columns), reader).build_full_trainset()
        model = SVD(random_state=inputs["seed"])
        began = time.perf_counter()
        model.fit(trainset)
        seconds += time.perf_counter() - began
        asked = [(int(user), int(item), value) for user, item, value, _ in test]
        rmse.append(accuracy.rmse(model.test(asked), verbose=False))
    return {"seconds": [seconds], "rmse": float(np.mean(rmse)), "rmse_folds": rmse}


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(main(json.load(file))))
