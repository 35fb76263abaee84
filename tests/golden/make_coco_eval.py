#!/usr/bin/env python3
"""Random annotated data and detections, with what pycocotools makes of them.

    python make_coco_eval.py FIRST COUNT [SIZE] > FILE

SIZE is small or full (full). tests/golden/coco_eval.txt: python make_coco_eval.py 0 48 small

A data set is some lines, each beginning with its kind:
    case N
    truth JSON                                 a COCO annotation file
    results JSON                               a COCO results file
    run STRICT T t1 .. tT l1 l2 l3 s1 .. s12 K a1 .. aK r1 .. rK
STRICT is 1 when annotation ids are taken as pycocotools does, for whom id 0 is no match; for runs
with 0 the ids were raised above 0 first. t are IoU thresholds, l the limits of detections of an
image and class, s the twelve figures, a the average precision and r the average recall of each
class. Figures are those of the summary that Detectron2 uses for any last limit.
"""
import contextlib
import copy
import io
import json
import random
import sys

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def ids(rng, count, style):
    if style == "zero":
        return list(range(count))
    if style == "one":
        return list(range(1, count + 1))
    chosen = rng.sample(range(0 if style == "sparse-zero" else 1, 20 * count + 20), count)
    return chosen


def rounder(rng):
    digits = rng.choice([0, 1, 1, 2, 3, 17])
    return (lambda x: x) if digits == 17 else (lambda x: round(x, digits) if digits else round(x))


def make_box(rng, cut):
    kind = rng.random()
    if kind < 0.05:  # borders of the area ranges
        side = rng.choice([32, 96])
        w, h = rng.choice([(side, side), (side / 2, side * 2), (side * 4, side / 4)])
    elif kind < 0.08:
        w, h = rng.choice([(0, 10), (10, 0), (0, 0), (1, 1)])
    else:
        side = 2 ** rng.uniform(1, 8.5)
        shape = 2 ** rng.uniform(-1, 1)
        w, h = side * shape, side / shape
    return [cut(rng.uniform(0, 500)), cut(rng.uniform(0, 400)), cut(w), cut(h)]


def moved(rng, box, cut):
    amount = rng.choice([0, 0, 0.02, 0.05, 0.1, 0.2, 0.4])
    x, y, w, h = box
    new = [x + w * rng.uniform(-amount, amount), y + h * rng.uniform(-amount, amount),
           max(0, w * (1 + rng.uniform(-amount, amount))), max(0, h * (1 + rng.uniform(-amount, amount)))]
    return box[:] if amount == 0 else [cut(v) for v in new]


def make_case(seed, small):
    rng = random.Random(seed)
    cut, area_cut = rounder(rng), rounder(rng)
    images = rng.randint(1, 5 if small else 14)
    classes = rng.randint(1, 4 if small else 9)
    image_ids = ids(rng, images, rng.choice(["zero", "one", "sparse"]))
    class_ids = ids(rng, classes, rng.choice(["zero", "one", "sparse"]))
    used = [c for c in class_ids if rng.random() < 0.8] or class_ids[:1]
    crowded = rng.choice([0, 0, 0.1, 0.3])
    many = rng.random() < 0.15 and not small
    score_digits = rng.choice([1, 2, 3, 17])
    truth, results = [], []
    for image in image_ids:
        for _ in range(0 if rng.random() < 0.2 else rng.randint(0, 6 if small else 14)):
            box = make_box(rng, cut)
            area = box[2] * box[3]
            if rng.random() < 0.4:
                area = area_cut(area * rng.uniform(0.3, 1.0))
            one = {"image_id": image, "category_id": rng.choice(used), "bbox": box, "area": area,
                   "iscrowd": int(rng.random() < crowded)}
            truth.append(one)
            if rng.random() < 0.08:  # an equal one: a tie in IoU
                truth.append(copy.deepcopy(one))
        here = [t for t in truth if t["image_id"] == image]
        for _ in range(rng.randint(0, 8 if small else 16) * (20 if many else 1)):
            if here and rng.random() < 0.75:
                t = rng.choice(here)
                box, kind = moved(rng, t["bbox"], cut), t["category_id"]
                if rng.random() < 0.1:
                    kind = rng.choice(class_ids)
            else:
                box, kind = make_box(rng, cut), rng.choice(class_ids)
            score = rng.random()
            results.append({"image_id": image, "category_id": kind, "bbox": box,
                            "score": score if score_digits == 17 else round(score, score_digits)})
    if not results:
        results.append({"image_id": image_ids[0], "category_id": class_ids[0], "bbox": [1, 2, 30, 40],
                        "score": 0.5})
    rng.shuffle(results)
    rng.shuffle(truth)
    style = rng.choice(["zero", "one", "sparse", "sparse-zero"])
    for one, number in zip(truth, ids(rng, len(truth), style)):
        one["id"] = number
    data = {"images": [{"id": i, "file_name": f"{i}.jpg"} for i in image_ids],
            "categories": [{"id": c, "name": f"class {c}"} for c in class_ids], "annotations": truth}
    return data, results, rng


def settings(rng):
    default = ([float(t) for t in COCOeval(iouType="bbox").params.iouThrs], [1, 10, 100])
    yield default
    kind = rng.random()
    if kind < 0.2:
        yield sorted(rng.sample([0.1, 0.25, 0.3, 0.5, 0.55, 0.6, 0.75, 0.9, 0.99, 1.0], rng.randint(1, 6))), [1, 10, 100]
    elif kind < 0.4:
        yield default[0], rng.choice([[1, 2, 3], [1, 10, 50], [1, 10, 300], [2, 5, 1000], [1, 1, 1]])


def measure(data, results, thresholds, limits):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(data)
        truth.createIndex()
        found = truth.loadRes(copy.deepcopy(results))
        run = COCOeval(truth, found, "bbox")
        run.params.iouThrs = np.array(thresholds)
        run.params.maxDets = list(limits)
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"], run.eval["recall"]

    def mean(values):
        values = values[values > -1]
        return float(np.mean(values)) if values.size else -1.0

    def at(threshold):
        return np.where(run.params.iouThrs == threshold)[0]

    stats = [mean(precision[:, :, :, 0, 2]), mean(precision[at(0.5), :, :, 0, 2]),
             mean(precision[at(0.75), :, :, 0, 2])]
    stats += [mean(precision[:, :, :, a, 2]) for a in (1, 2, 3)]
    stats += [mean(recall[:, :, 0, m]) for m in (0, 1, 2)]
    stats += [mean(recall[:, :, a, 2]) for a in (1, 2, 3)]
    classes = precision.shape[2]
    return (stats, [mean(precision[:, :, k, 0, 2]) for k in range(classes)],
            [mean(recall[:, k, 0, 2]) for k in range(classes)])


def put_run(strict, thresholds, limits, figures):
    stats, precision, recall = figures
    numbers = [*thresholds, *limits, *stats]
    print("run", int(strict), len(thresholds), *map(repr, numbers), len(precision),
          *map(repr, precision), *map(repr, recall))


def main():
    first, count = int(sys.argv[1]), int(sys.argv[2])
    small = len(sys.argv) > 3 and sys.argv[3] == "small"
    compact = {"separators": (",", ":")}
    for seed in range(first, first + count):
        data, results, rng = make_case(seed, small)
        print("case", seed)
        print("truth", json.dumps(data, **compact))
        print("results", json.dumps(results, **compact))
        raised = copy.deepcopy(data)
        for one in raised["annotations"]:
            one["id"] += 1
        for thresholds, limits in settings(rng):
            put_run(True, thresholds, limits, measure(data, results, thresholds, limits))
            put_run(False, thresholds, limits, measure(raised, results, thresholds, limits))


if __name__ == "__main__":
    main()
