#!/usr/bin/env python3
"""Data like COCO's val2017, and pycocotools' seconds for them.

    python pycocotools_eval.py make FOLDER IMAGES      writes truth.json and results.json
    python pycocotools_eval.py measure FOLDER          prints JSON

36 truths and 100 detections in each image, 80 classes whose frequency falls as 1 / rank, a few in an
image; most detections lie around a truth, the others anywhere. Timed are evaluate and accumulate.
"""
import contextlib
import io
import json
import random
import resource
import sys
import time

CLASSES, TRUTHS, DETECTIONS = 80, 36, 100


def box(rng):
    side = min(2 ** rng.gauss(6, 1.5), 400)
    shape = 2 ** rng.gauss(0, 0.5)
    w, h = min(side * shape, 639), min(side / shape, 479)
    return [round(v, 2) for v in (rng.uniform(0, 640 - w), rng.uniform(0, 480 - h), w, h)]


def make(folder, images):
    rng = random.Random(2017)
    frequency = [1 / rank for rank in range(1, CLASSES + 1)]
    truth, results = [], []
    for image in range(1, images + 1):
        kinds = rng.choices(range(1, CLASSES + 1), frequency, k=rng.randint(1, 6))
        here = []
        for _ in range(TRUTHS):
            one = box(rng)
            here.append({"id": len(truth) + len(here) + 1, "image_id": image, "category_id": rng.choice(kinds),
                         "bbox": one, "area": round(one[2] * one[3] * rng.uniform(0.5, 1), 4),
                         "iscrowd": int(rng.random() < 0.01)})
        truth += here
        for _ in range(DETECTIONS):
            if rng.random() < 0.7:
                of = rng.choice(here)
                x, y, w, h = of["bbox"]
                spread = abs(rng.gauss(0, 0.15))
                place = [x + w * rng.gauss(0, spread), y + h * rng.gauss(0, spread),
                         w * 2 ** rng.gauss(0, spread), h * 2 ** rng.gauss(0, spread)]
                kind = of["category_id"] if rng.random() < 0.9 else rng.randint(1, CLASSES)
                score = rng.betavariate(2, 1.5)
            else:
                place, kind, score = box(rng), rng.choices(range(1, CLASSES + 1), frequency)[0], rng.betavariate(1, 6)
            results.append({"image_id": image, "category_id": kind, "bbox": [round(v, 3) for v in place],
                            "score": round(score, 6)})
    data = {"images": [{"id": i, "file_name": f"{i:012d}.jpg", "width": 640, "height": 480} for i in range(1, images + 1)],
            "categories": [{"id": c, "name": f"class {c}"} for c in range(1, CLASSES + 1)], "annotations": truth}
    for name, value in (("truth", data), ("results", results)):
        with open(f"{folder}/{name}.json", "w") as file:
            json.dump(value, file)


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(folder):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    clock = time.process_time
    with contextlib.redirect_stdout(io.StringIO()):
        start = clock()
        truth = COCO(f"{folder}/truth.json")
        read_truth = clock() - start
        start = clock()
        found = truth.loadRes(f"{folder}/results.json")
        read_results = clock() - start
        run = COCOeval(truth, found, "bbox")
        start, wall = clock(), time.perf_counter()
        run.evaluate()
        run.accumulate()
        cpu, wall = clock() - start, time.perf_counter() - wall
        run.summarize()
    print(json.dumps({"read_truth": read_truth, "read_results": read_results,
                      "evaluate": {"cpu": cpu, "wall": wall}, "peak_mib": round(peak_mib(), 1),
                      "stats": [float(s) for s in run.stats]}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        measure(sys.argv[2])
