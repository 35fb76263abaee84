#!/usr/bin/python3
"""torchvision_cpu.py - torchvision's Faster R-CNN on the weights and the image that md-fps timed.

usage: torchvision_cpu.py --weights F.safetensors --json MD_FPS.json [--threads N] [--warmup N]
                          [--iters N] [--train-iters N] [--mode default|tuned|both] [--skip-check]

F and MD_FPS.json are what `md-fps --save-weights F --json MD_FPS.json` wrote. Prints one JSON object.

The same function is timed on both sides. Where torchvision differs from Detectron2 it is set right here,
outside the timed layers: anchors are not rounded and lie on the strides 4 to 64 (torchvision rounds them
and derives the strides of the grid), RoIAlign is aligned with adaptive sampling (torchvision: neither), the
stride of a bottleneck may sit in its first 1x1, and pixels are normalised on the scale 0 to 255. What stays
different is of no weight: smooth L1 with beta 1/9 in training for L1, boxes thinner than 0.01 px dropped.
Mode "tuned" runs again with an allocator that keeps its memory instead of returning it to the system after
every layer, which is worth a lot to this peer; the better mode and memory layout count.
"""
import argparse
import ast
import json
import os
import subprocess
import sys
import time

import numpy as np

TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 36), "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
         "MALLOC_TOP_PAD_": str(1 << 28)}
STRIDES = (4, 8, 16, 32, 64)
SIZES = ((32,), (64,), (128,), (256,), (512,))
RATIOS = (0.5, 1.0, 2.0)


def read_safetensors(path):
    types = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I64": np.int64, "I32": np.int32,
             "U8": np.uint8}
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        payload = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = np.frombuffer(payload[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def hash32(x):
    x = x ^ (x >> 16)
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> 13)
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def first_picture(height, width):
    """Image 0 of examples/support/pictures.c, RGB."""
    y = np.arange(height, dtype=np.uint32)[:, None, None]
    x = np.arange(width, dtype=np.uint32)[None, :, None]
    c = np.arange(3, dtype=np.uint32)[None, None, :]

    def patch(size):
        key = ((y // size) << np.uint32(16) | x // size) * np.uint32(4) + c
        return hash32(key + np.uint32(size * 0x9E3779B9 & 0xFFFFFFFF)) >> np.uint32(24)

    with np.errstate(over="ignore"):
        total = np.uint32(2) * patch(np.uint32(64)) + patch(np.uint32(16)) + patch(np.uint32(1))
    return (total // 4).astype(np.uint8)


# ---- the network ---------------------------------------------------------------------------------


def settings_of(report):
    values = {}
    for key, text in report["settings"].items():
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[key] = text
    return values


def build(s, torch, torchvision, side):
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops import MultiScaleRoIAlign, roi_align
    from torchvision.ops.misc import FrozenBatchNorm2d

    class Anchors(AnchorGenerator):
        """Detectron2's: not rounded, on the true strides."""

        def __init__(self):
            super().__init__(SIZES, (RATIOS,) * 5)
            self.cell_anchors = [self.exact(size[0]) for size in SIZES]

        @staticmethod
        def exact(size):
            boxes = []
            for ratio in RATIOS:
                w = (size * size / ratio) ** 0.5
                h = ratio * w
                boxes.append([-w / 2, -h / 2, w / 2, h / 2])
            return torch.tensor(boxes)

        def forward(self, images, features):
            grids = [f.shape[-2:] for f in features]
            strides = [[torch.tensor(v), torch.tensor(v)] for v in STRIDES]
            anchors = torch.cat(self.grid_anchors(grids, strides))
            return [anchors for _ in images.image_sizes]

    class Align(MultiScaleRoIAlign):
        """RoIAlign as Detectron2 does it: aligned, with adaptive sampling, level by level."""

        def forward(self, features, boxes, image_shapes):
            maps = [features[k] for k in self.featmap_names]
            rois = torch.cat([torch.cat([torch.full_like(b[:, :1], i), b], 1) for i, b in enumerate(boxes)])
            side_length = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
            level = torch.floor(4 + torch.log2(side_length / 224 + 1e-8)).clamp(2, 5) - 2
            out = maps[0].new_zeros((len(rois), maps[0].shape[1], 7, 7))
            for k, feature in enumerate(maps):
                at = torch.where(level == k)[0]
                out[at] = roi_align(feature, rois[at], 7, 1.0 / STRIDES[k], 0, True)
            return out

    depth, groups = s["MODEL.RESNETS.DEPTH"], s["MODEL.RESNETS.NUM_GROUPS"]
    name = "resnext101_32x8d" if groups == 32 else f"resnet{depth}"
    resnet = getattr(torchvision.models, name)(norm_layer=FrozenBatchNorm2d)
    if s["MODEL.RESNETS.STRIDE_IN_1X1"] and depth >= 50:
        for layer in (resnet.layer2, resnet.layer3, resnet.layer4):
            layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, layer[0].conv1.stride
    backbone = _resnet_fpn_extractor(resnet, 5 - max(s["MODEL.BACKBONE.FREEZE_AT"] - 1, 0))
    return FasterRCNN(
        backbone, s["MODEL.ROI_HEADS.NUM_CLASSES"] + 1,
        min_size=min(side), max_size=max(side), image_mean=s["MODEL.PIXEL_MEAN"],
        image_std=s["MODEL.PIXEL_STD"], rpn_anchor_generator=Anchors(),
        rpn_pre_nms_top_n_train=s["MODEL.RPN.PRE_NMS_TOPK_TRAIN"],
        rpn_pre_nms_top_n_test=s["MODEL.RPN.PRE_NMS_TOPK_TEST"],
        rpn_post_nms_top_n_train=s["MODEL.RPN.POST_NMS_TOPK_TRAIN"],
        rpn_post_nms_top_n_test=s["MODEL.RPN.POST_NMS_TOPK_TEST"],
        box_roi_pool=Align(["0", "1", "2", "3"], 7, 0),
        box_score_thresh=s["MODEL.ROI_HEADS.SCORE_THRESH_TEST"],
        box_nms_thresh=s["MODEL.ROI_HEADS.NMS_THRESH_TEST"],
        box_detections_per_img=s["TEST.DETECTIONS_PER_IMAGE"])


def source_name(name):
    """Detectron2's name of a parameter of torchvision's model."""
    name = name.replace("backbone.body.", "backbone.bottom_up.")
    name = name.replace("bottom_up.conv1.", "bottom_up.stem.conv1.").replace("bottom_up.bn1.",
                                                                             "bottom_up.stem.conv1.norm.")
    for layer in range(1, 5):
        name = name.replace(f"bottom_up.layer{layer}.", f"bottom_up.res{layer + 1}.")
    for k in range(1, 4):
        name = name.replace(f".bn{k}.", f".conv{k}.norm.")
    name = name.replace(".downsample.0.", ".shortcut.").replace(".downsample.1.", ".shortcut.norm.")
    for k in range(4):
        name = name.replace(f"backbone.fpn.inner_blocks.{k}.0.", f"backbone.fpn_lateral{k + 2}.")
        name = name.replace(f"backbone.fpn.layer_blocks.{k}.0.", f"backbone.fpn_output{k + 2}.")
    name = name.replace("rpn.head.conv.0.0.", "proposal_generator.rpn_head.conv.")
    name = name.replace("rpn.head.cls_logits.", "proposal_generator.rpn_head.objectness_logits.")
    name = name.replace("rpn.head.bbox_pred.", "proposal_generator.rpn_head.anchor_deltas.")
    return name.replace("box_head.fc6.", "box_head.fc1.").replace("box_head.fc7.", "box_head.fc2.")


def fill(model, tensors, torch):
    state = {}
    for name, value in model.state_dict().items():
        array = tensors[source_name(name)]
        if "cls_score" in name:  # the background comes first
            array = np.concatenate([array[-1:], array[:-1]])
        if "box_predictor.bbox_pred" in name:
            array = np.concatenate([np.zeros_like(array[:4]), array])
        if array.shape != tuple(value.shape):
            sys.exit(f"{name}: {array.shape} in the file, {tuple(value.shape)} in torchvision's model")
        state[name] = torch.from_numpy(array.copy())
    model.load_state_dict(state)


# ---- measuring -----------------------------------------------------------------------------------


def summary(seconds):
    seconds = sorted(seconds)
    return {"mean": sum(seconds) / len(seconds), "min": seconds[0], "p50": seconds[(len(seconds) - 1) // 2],
            "count": len(seconds)}


def repeat(step, warmup, iters):
    seconds = []
    for i in range(-warmup, iters):
        start = time.perf_counter()
        step()
        if i >= 0:
            seconds.append(time.perf_counter() - start)
    return summary(seconds)


def difference(found, expected):
    """How far the detections are from md-fps's: count, and the worst of the twenty best."""
    boxes = found["boxes"].numpy()
    worst = 0.0
    for x0, y0, x1, y1, _, label in expected[:20]:
        same = boxes[found["labels"].numpy() == label + 1]
        near = np.abs(same - np.array([x0, y0, x1, y1])).max(1).min() if len(same) else float("inf")
        worst = max(worst, float(near))
    return {"count": len(boxes), "expected": len(expected), "worst_box_px": worst}


def train_target(height, width, classes, torch):
    rng = np.random.default_rng(0)
    size = rng.uniform(0.05, 0.5, (6, 2)) * [width, height]
    corner = rng.uniform(0, 1, (6, 2)) * ([width, height] - size)
    return {"boxes": torch.tensor(np.concatenate([corner, corner + size], 1), dtype=torch.float32),
            "labels": torch.tensor(rng.integers(1, classes + 1, 6))}


def training_step(model, images, target, torch):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=1e-9, momentum=0.9, weight_decay=1e-4)

    def step():
        loss = sum(model(images, [target]).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def linear_algebra():
    """The library that torch multiplies matrices with. The reference BLAS is twenty times slower."""
    libraries = {os.path.basename(line.split()[-1]) for line in open("/proc/self/maps") if ".so" in line}
    known = sorted(name for name in libraries if any(k in name for k in ("openblas", "mkl", "blis")))
    if not known:
        sys.exit("torchvision_cpu.py: torch runs on the reference BLAS, which would be no fair peer; "
                 "install libopenblas0-pthread (Debian)")
    return known


def measure(a):
    import torch
    import torchvision
    torch.set_num_threads(a.threads)
    report = json.load(open(a.json))
    s = settings_of(report)
    side = report["height"], report["width"]
    model = build(s, torch, torchvision, side)
    fill(model, read_safetensors(a.weights), torch)
    pixels = first_picture(*side)
    if s["INPUT.FORMAT"] == "BGR":
        pixels = pixels[..., ::-1]
    image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32))
    target = train_target(*side, s["MODEL.ROI_HEADS.NUM_CLASSES"], torch)
    result = {"threads": a.threads, "blas": linear_algebra(),
              "versions": [torch.__version__, torchvision.__version__]}
    for layout in ("nchw", "channels_last"):
        memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        model.to(memory_format=memory)
        images = [image]
        model.eval()
        with torch.no_grad():
            found = model(images)[0]
            result[layout] = {"agreement": difference(found, report["first_image"]),
                              "infer": repeat(lambda: model(images), a.warmup, a.iters)}
        if a.train_iters > 0:
            model.train()
            step = training_step(model, images, target, torch)
            result[layout]["train"] = repeat(step, min(a.warmup, 1), a.train_iters)
    return result


def check(result):
    for layout in ("nchw", "channels_last"):
        d = result[layout]["agreement"]
        # The last digits of the sums differ: a box near a threshold may come or go.
        if abs(d["count"] - d["expected"]) > 3 or d["worst_box_px"] > 2.0:
            sys.exit(f"{layout}: the detections differ from md-fps's: {d}")


def best(results, what):
    found = [(r[layout][what]["p50"], mode, layout) for mode, r in results.items()
             for layout in ("nchw", "channels_last") if what in r[layout]]
    if not found:
        return None
    seconds, mode, layout = min(found)
    return {"p50": seconds, "mode": mode, "layout": layout}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--iters", type=int, default=5)
    parser.add_argument("--train-iters", type=int, default=0)
    parser.add_argument("--mode", choices=("default", "tuned", "both"), default="both")
    parser.add_argument("--skip-check", action="store_true")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.measure:  # a process of its own for each allocator
        print(json.dumps(measure(a)))
        return
    results = {}
    for mode in ("default", "tuned") if a.mode == "both" else (a.mode,):
        environment = {**os.environ, **(TUNED if mode == "tuned" else {})}
        command = [sys.executable, *sys.argv, "--measure"]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
        results[mode] = json.loads(output)
        if not a.skip_check:
            check(results[mode])
    print(json.dumps({"peer": "torchvision", "infer": best(results, "infer"), "train": best(results, "train"),
                      "modes": results}, indent=2))


if __name__ == "__main__":
    main()
