#!/usr/bin/env python3
"""torchvision_gpu.py - torchvision's Faster R-CNN, and PyTorch's single operations, on a GPU.

usage: torchvision_gpu.py eager   --weights F.safetensors --json MD_FPS.json [--ours MD_FPS_BF16.json]
       torchvision_gpu.py compile --weights F.safetensors --json MD_FPS.json
       torchvision_gpu.py train   --weights F.safetensors --json MD_FPS.json [--batches 2,16]
       torchvision_gpu.py layers  --ops BENCH_OPS.json
       torchvision_gpu.py tail
       torchvision_gpu.py limits
Each takes --out FILE (rewritten as figures come, so that a run cut short leaves what it has),
--seconds S (what a measurement may take, 8) and --device cpu (to try the program out, not to measure).

The model, the weights and the picture are those of torchvision_cpu.py: the same function as mdet's, set
right where torchvision differs. Here it runs in bfloat16, channels_last, cudnn.benchmark on, in two ways:
"autocast" is PyTorch's recommendation; "weights" holds the weights in bfloat16, so that none is cast in a
call. Boxes are decoded in float32 in both: in bfloat16 a coordinate is off by up to 4 pixels. Images lie on
the GPU and are not resized. Times are medians by CUDA events over rotating pictures, after a warm-up;
"host" goes from bytes on the host to boxes on the host by the clock, as md-fps does.
The first step compares the boxes in float32 with md-fps's: when they differ, nothing after it counts and
the exit status is 1.
"""
import argparse
import contextlib
import json
import os
import sys
import time

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchvision_cpu as common  # noqa: E402

BATCHES = (1, 8)
SETS_BYTES = 128e6  # operands rotate among so many bytes: more than any cache


class Run:
    """Arguments, the device, and figures written to --out as they come."""

    def __init__(self, arguments):
        self.a = arguments
        self.device = torch.device(arguments.device)
        self.gpu = self.device.type == "cuda"
        self.figures = {"what": arguments.what, "versions": {"torch": torch.__version__}}
        if self.gpu:
            if not torch.cuda.is_available():
                sys.exit("torchvision_gpu.py: PyTorch sees no GPU")
            self.figures["device"] = torch.cuda.get_device_name()
            self.figures["versions"]["cudnn"] = torch.backends.cudnn.version()
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.benchmark_limit = 0  # every engine
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False

    def write(self):
        text = json.dumps(self.figures, indent=1)
        if self.a.out:
            with open(self.a.out + ".new", "w") as file:
                file.write(text + "\n")
            os.replace(self.a.out + ".new", self.a.out)
        return text

    def wait(self):
        if self.gpu:
            torch.cuda.synchronize()

    def measure(self, step, warmup=50, most=200):
        """Milliseconds of step(i), each by its own events."""
        begin = time.perf_counter()
        for i in range(warmup):
            step(i)
            self.wait()
            if i >= 2 and time.perf_counter() - begin > self.a.seconds / 3:
                break
        times, begin = [], time.perf_counter()
        for i in range(most):
            times.append(self.one(lambda: step(i)))
            if i >= 4 and time.perf_counter() - begin > self.a.seconds:
                break
        times.sort()
        return {"ms_p50": times[len(times) // 2], "ms_min": times[0], "count": len(times)}

    def one(self, step):
        if not self.gpu:
            start = time.perf_counter()
            step()
            return 1e3 * (time.perf_counter() - start)
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)

    def graph(self, step, repeat):
        """Milliseconds of one step(i), without the host's time: `repeat` of them in one graph."""
        if not self.gpu:
            return self.measure(step, 1, 5)
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):  # engines are chosen outside the capture
            for i in range(repeat):
                step(i)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for i in range(repeat):
                step(i)
        found = self.measure(lambda _: graph.replay(), 3, 15)
        return {"ms_p50": found["ms_p50"] / repeat, "ms_min": found["ms_min"] / repeat, "count": found["count"]}


# ---- the detector --------------------------------------------------------------------------------


class Float(torch.nn.Module):
    """What `inner` gives, as float32: decoding of boxes must not run in bfloat16."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *inputs):
        def convert(value):
            return value.float() if torch.is_tensor(value) else type(value)(convert(v) for v in value)
        return convert(self.inner(*inputs))


class Detector:
    def __init__(self, run):
        import torchvision
        self.run = run
        self.report = json.load(open(run.a.json))
        self.settings = common.settings_of(self.report)
        self.side = self.report["height"], self.report["width"]
        self.tensors = common.read_safetensors(run.a.weights)
        self.torchvision = torchvision
        run.figures["versions"]["torchvision"] = torchvision.__version__
        run.figures["size"] = "x".join(map(str, self.side))
        run.figures["depth"] = self.settings["MODEL.RESNETS.DEPTH"]
        run.figures["groups"] = self.settings["MODEL.RESNETS.NUM_GROUPS"]
        pixels = common.first_picture(*self.side)
        if self.settings["INPUT.FORMAT"] == "BGR":
            pixels = pixels[..., ::-1]
        self.pixels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def model(self, narrow):
        """In evaluation, on the device, channels_last; narrow: weights in bfloat16."""
        model = common.build(self.settings, torch, self.torchvision, self.side)
        common.fill(model, self.tensors, torch)
        model.transform.resize = lambda image, target=None: (image, target)  # they have the size
        model.rpn.anchor_generator.cell_anchors = [
            cell.to(self.run.device) for cell in model.rpn.anchor_generator.cell_anchors]
        model = model.to(self.run.device, memory_format=torch.channels_last).eval()
        if narrow:
            for part in (model.backbone, model.rpn.head, model.roi_heads.box_head, model.roi_heads.box_predictor):
                part.to(torch.bfloat16)
        model.rpn.head = Float(model.rpn.head)
        model.roi_heads.box_predictor = Float(model.roi_heads.box_predictor)
        return model

    def autocast(self, on):
        if not on:
            return contextlib.nullcontext()
        return torch.autocast(self.run.device.type, torch.bfloat16)

    def pictures(self, batch):
        """Rotating lists of images on the device; the first image of the first is md-fps's."""
        sets = 4 if batch == 1 else 2
        moved = [torch.roll(self.pixels, 37 * i, 2).to(self.run.device).float() for i in range(sets * batch)]
        return [moved[k * batch:(k + 1) * batch] for k in range(sets)]


def found_rows(found):
    """md-fps's rows from torchvision's result: box, score, class."""
    boxes, scores, labels = (found[k].float().cpu().numpy() for k in ("boxes", "scores", "labels"))
    return [[*map(float, b), float(s), int(c) - 1] for b, s, c in zip(boxes, scores, labels)]


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    inside = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside
    return inside / union if union > 0 else 0.0


def found_again(expected, found, threshold=0.3):
    """Which share of the expected detections above a score is among the found, by IoU and same class."""
    wanted = [row for row in expected if row[4] > threshold]
    best = [max([iou(row, other) for other in found if other[5] == row[5]], default=0.0) for row in wanted]
    return {"count": len(wanted), **{f"iou_{level}": sum(b >= level for b in best) / max(len(best), 1)
                                     for level in (0.5, 0.9, 0.95)}}


def check_float32(run, detector):
    model = detector.model(False)
    with torch.no_grad():
        found = model(detector.pictures(1)[0])[0]
    agreement = common.difference({k: v.cpu() for k, v in found.items()}, detector.report["first_image"])
    run.figures["agreement"] = {"float32": agreement}
    # A box near a threshold may come or go: the last digits of the sums differ.
    run.figures["same"] = abs(agreement["count"] - agreement["expected"]) <= 3 and agreement["worst_box_px"] <= 2.0
    run.write()
    return found_rows(found)


def time_detector(run, detector, model, batch, name):
    pictures = detector.pictures(batch)
    with torch.no_grad(), detector.autocast(True):
        found = model(pictures[0])[0]
        figures = run.measure(lambda i: model(pictures[i % len(pictures)]), 50 if batch == 1 else 10,
                              200 if batch == 1 else 50)
    run.figures.setdefault("times", {}).setdefault(name, {})[str(batch)] = figures
    run.write()
    return found_rows(found)


def time_from_host(run, detector, model):
    """From bytes on the host to boxes on the host, by the clock."""
    pixels = detector.pixels.pin_memory() if run.gpu else detector.pixels

    def step():
        image = pixels.to(run.device, non_blocking=True).float()
        return {k: v.cpu() for k, v in model([image])[0].items()}

    times = []
    with torch.no_grad(), detector.autocast(True):
        begin = time.perf_counter()
        while len(times) < 60 and time.perf_counter() - begin < run.a.seconds / 2 + 1:
            start = time.perf_counter()
            step()
            run.wait()
            times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    return {"ms_p50": times[len(times) // 2], "ms_min": times[0], "count": len(times)}


def eager(run):
    detector = Detector(run)
    wide = check_float32(run, detector)
    if not run.figures["same"]:
        return 1
    for name, narrow in (("weights", True), ("autocast", False)):
        model = detector.model(narrow)
        for batch in BATCHES:
            found = time_detector(run, detector, model, batch, name)
            run.figures["agreement"][name] = found_again(wide, found)
        run.figures["times"][name]["host_1"] = time_from_host(run, detector, model)
        run.write()
    if run.a.ours and os.path.exists(run.a.ours):
        ours = json.load(open(run.a.ours))
        run.figures["agreement"]["mdet"] = found_again(detector.report["first_image"], ours["first_image"])
        best = min(t["host_1"]["ms_p50"] for t in run.figures["times"].values())
        run.figures["mdet_ms_p50"] = 1e3 * ours["seconds"]["p50"]
        run.figures["ratio_host_1"] = best / run.figures["mdet_ms_p50"]
    return 0


def compiled(run):
    """One mode after the other, the quickest to compile first; --out keeps what was done in time."""
    detector = Detector(run)
    wide = check_float32(run, detector)
    if not run.figures["same"]:
        return 1
    for mode, batch in (("reduce-overhead", 1), ("reduce-overhead", 8), ("max-autotune", 1)):
        torch._dynamo.reset()
        start = time.perf_counter()
        model = detector.model(True)
        model.backbone = torch.compile(model.backbone, mode=mode)
        model.rpn.head = torch.compile(model.rpn.head)
        model.roi_heads.box_head = torch.compile(model.roi_heads.box_head)
        with torch.no_grad(), detector.autocast(True):
            for _ in range(2):
                model(detector.pictures(batch)[0])
        run.wait()
        run.figures.setdefault("compile_seconds", {})[f"{mode}_{batch}"] = time.perf_counter() - start
        found = time_detector(run, detector, model, batch, mode)
        run.figures["agreement"][mode] = found_again(wide, found)
        run.write()
    return 0


def train(run):
    """A step of SGD under autocast: images on the device, six truths in each, as torchvision_cpu.py's."""
    detector = Detector(run)
    model = detector.model(False)
    # The boxes' decoding is fp32 by itself where losses are computed; nothing else needs it.
    model.rpn.head, model.roi_heads.box_predictor = model.rpn.head.inner, model.roi_heads.box_predictor.inner
    model.train()
    classes = detector.settings["MODEL.ROI_HEADS.NUM_CLASSES"]
    target = {k: v.to(run.device) for k, v in common.train_target(*detector.side, classes, torch).items()}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(parameters, lr=1e-9, momentum=0.9, weight_decay=1e-4)
    for batch in map(int, run.a.batches.split(",")):
        pictures = detector.pictures(batch)

        def step(i):
            optimiser.zero_grad(set_to_none=True)
            with detector.autocast(True):
                loss = sum(model(pictures[i % len(pictures)], [target] * batch).values())
            loss.backward()
            optimiser.step()

        try:
            run.figures.setdefault("times", {})[str(batch)] = run.measure(step, 8, 30)
        except torch.cuda.OutOfMemoryError:
            run.figures.setdefault("times", {})[str(batch)] = {"error": "out of memory"}
        run.write()
    return 0


# ---- single operations ---------------------------------------------------------------------------


def operands(run, row, batch):
    """Sets of (step arguments) of a row of bench-ops, in bfloat16."""
    def random(*shape):
        return torch.rand(shape, device=run.device).mul_(2).sub_(1).to(torch.bfloat16)

    k, groups = row["k"], row["groups"]
    out_h, out_w = ((row[s] + 2 * row["pad"] - k) // row["stride"] + 1 for s in ("h", "w"))
    sizes = [row["h"] * row["c"], row["o"] * row["c"], row["h"] * row["o"]] if k == 0 else [
        batch * row["h"] * row["w"] * row["c"], row["o"] * k * k * row["c"] // groups, batch * out_h * out_w * row["o"]]
    sets = int(min(max(SETS_BYTES / (2 * sum(sizes)), 0) + 1, 16)) if run.gpu else 1
    if k == 0:
        return [(random(row["h"], row["c"]), random(row["o"], row["c"]), random(row["o"])) for _ in range(sets)]
    if k == 1 and row["stride"] == 1:
        pixels = batch * row["h"] * row["w"]
        return [(random(pixels, row["c"]), random(row["o"], row["c"]), random(row["o"])) for _ in range(sets)]
    return [(random(batch, row["c"], row["h"], row["w"]).to(memory_format=torch.channels_last),
             random(row["o"], row["c"] // groups, k, k).to(memory_format=torch.channels_last), None)
            for _ in range(sets)]


def layers(run):
    """Convolutions alone, without bias and ReLU: cuDNN's best engine. Products with bias: cuBLASLt."""
    ops = json.load(open(run.a.ops))
    run.figures["batch"] = batch = ops["batch"]
    run.figures["rows"] = rows = []
    failed = 0
    for row in ops["rows"]:
        if row.get("pass") != "fwd" or "k" not in row:
            continue
        line = {"name": row["name"], "mdet_us": row["us_p50"], "floor_us": row["floor_us"]}
        try:
            sets = operands(run, row, batch)
            product = sets[0][0].dim() == 2
            line["by"] = "product" if product else "convolution"

            def step(i):
                x, w, b = sets[i % len(sets)]
                if product:
                    return torch.nn.functional.linear(x, w, b)
                return torch.nn.functional.conv2d(x, w, b, row["stride"], row["pad"], 1, row["groups"])

            with torch.no_grad():
                line["us"] = 1e3 * run.graph(step, max(10, 2 * len(sets)))["ms_p50"]
            line["ratio"] = line["us"] / line["mdet_us"]
        except RuntimeError as error:  # one shape must not end the others
            line["error"] = str(error).splitlines()[0][:200]
            failed = 1
        rows.append(line)
        run.write()
    return failed


def random_boxes(count):
    """The same kind of list as bench-ops has: eight boxes around each place, sides of 16 to 512."""
    rng = np.random.default_rng(1)
    place = np.arange(count) % (count // 8 + 1)
    size = 16 * 2 ** (5 * rng.random(count // 8 + 1))[place]
    ratio = 2 ** (rng.random(count // 8 + 1) - 0.5)[place]
    x, y = (1344 * rng.random(count // 8 + 1))[place], (800 * rng.random(count // 8 + 1))[place]
    jitter = rng.random((4, count)) - 0.5
    w, h = size * ratio * (1 + 0.3 * jitter[0]), size / ratio * (1 + 0.3 * jitter[1])
    x, y = x + 0.3 * size * jitter[2], y + 0.3 * size * jitter[3]
    boxes = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)
    boxes[:, :2] = np.maximum(boxes[:, :2], 0)
    boxes[:, 2:] = np.clip(boxes[:, 2:], boxes[:, :2] + 1, [1345, 801])
    return torch.from_numpy(boxes.astype(np.float32))


def tail(run):
    from torchvision.ops import nms, roi_align
    for count in (1000, 10000):
        boxes = random_boxes(count).to(run.device)
        scores = torch.arange(count, 0, -1, device=run.device).float()
        run.figures[f"nms_{count}"] = run.measure(lambda i: nms(boxes, scores, 0.7), 20, 100)
        run.write()
    boxes = random_boxes(1000).to(run.device)
    rois = torch.cat([torch.zeros_like(boxes[:, :1]), boxes], 1)
    side = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
    level = torch.floor(4 + torch.log2(side / 224 + 1e-8)).clamp(2, 5) - 2
    maps = [torch.rand((1, 256, 200 >> k, 336 >> k), device=run.device).to(
        memory_format=torch.channels_last) for k in range(4)]
    for name, kind in (("float32", torch.float32), ("float16", torch.float16)):
        features = [m.to(kind) for m in maps]

        def align(_):
            out = features[0].new_zeros((1000, 256, 7, 7))
            for k, feature in enumerate(features):
                at = torch.where(level == k)[0]
                out[at] = roi_align(feature, rois[at].to(kind), 7, 1.0 / common.STRIDES[k], 0, True)
            return out

        run.figures[f"roi_align_1000_{name}"] = run.measure(align, 20, 100)
        run.write()
    return 0


def limits(run):
    side = 8192 if run.gpu else 512
    a, b = (torch.rand((side, side), device=run.device).sub_(0.5).to(torch.bfloat16) for _ in range(2))
    found = run.measure(lambda i: a @ b, 5, 20)
    run.figures["matmul_bf16_tflop_per_s"] = 2e-9 * side ** 3 / found["ms_p50"]
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("eager", "compile", "train", "layers", "tail", "limits"))
    parser.add_argument("--weights")
    parser.add_argument("--json")
    parser.add_argument("--ours")
    parser.add_argument("--ops")
    parser.add_argument("--out")
    parser.add_argument("--batches", default="2,16")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--device", default="cuda")
    a = parser.parse_args()
    if a.what in ("eager", "compile", "train") and not (a.weights and a.json) or a.what == "layers" and not a.ops:
        parser.error(f"{a.what} needs its files: see the head of this program")
    run = Run(a)
    code = {"eager": eager, "compile": compiled, "train": train, "layers": layers, "tail": tail, "limits": limits}[a.what](run)
    print(run.write())
    return code


if __name__ == "__main__":
    sys.exit(main())
