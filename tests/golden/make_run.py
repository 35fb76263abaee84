# make_run.py - makes checkpoints of trainings with PyTorch under Detectron2's names, and what the next step gives.
#
#   python make_run.py FOLDER           the small ones in tests/train/samples
#   python make_run.py FOLDER tiny|r50  run.pth and run_next.pth of that preset's size, to look at by hand
#
# The committed ones were made by Debian 12's PyTorch 1.13. A model here has Detectron2's modules, in its order and
# under its names, and no forward pass: gradients come from a formula that the tests know. The optimizer is
# torch.optim.SGD with the groups that Detectron2 makes, the schedule WarmupMultiStepLR's.
#
#   run.pth         as Detectron2 0.6 saves: FREEZE_AT 2, one group, a loss scale, momentum of all but one parameter
#   run_old.pth     as before 0.5: at the root, FREEZE_AT 0, weights and biases in two groups, in torch's old stream
#   run_next.pth, run_old_next.pth    the parameters after one step more, and "momentum/NAME" as it was before it
import collections
import sys

import torch
from torch import nn

MAX_ITER, WARMUP, STEPS, BASE_LR, MOMENTUM, DECAY = 12, 8, (10,), 0.02, 0.9, 0.0001
LAST = 4  # the last finished iteration, so model_0000004.pth

SMALL = dict(stem=1, out=1, blocks=(1, 1, 1, 1), width=0, fpn=2, fc=3, pool=2, classes=2)
TINY = dict(stem=8, out=8, blocks=(1, 1, 1, 1), width=0, fpn=16, fc=32, pool=7, classes=2)
R50 = dict(stem=64, out=256, blocks=(3, 4, 6, 3), width=64, fpn=256, fc=1024, pool=7, classes=80)


class FrozenNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        for name, value in (("weight", 1.5), ("bias", 0.25), ("running_mean", 0.125), ("running_var", 0.75)):
            self.register_buffer(name, torch.full((channels,), value))


class Conv(nn.Conv2d):
    def __init__(self, into, out, kernel, norm=True):
        super().__init__(into, out, kernel, bias=not norm)
        if norm:
            self.norm = FrozenNorm(out)


class Block(nn.Module):
    def __init__(self, into, out, width):
        super().__init__()
        self.shortcut = Conv(into, out, 1) if into != out else None
        sizes = ((into, width, 1), (width, width, 3), (width, out, 1)) if width else ((into, out, 3), (out, out, 3))
        for i, size in enumerate(sizes):
            setattr(self, "conv%d" % (i + 1), Conv(*size))


def tree(**children):
    module = nn.Module()
    for name, child in children.items():
        module.add_module(name, child)
    return module


def build(size, freeze_at):
    resnet = tree(stem=tree(conv1=Conv(3, size["stem"], 7)))
    into = size["stem"]
    for k, count in enumerate(size["blocks"]):
        out, width = size["out"] << k, size["width"] << k
        resnet.add_module("res%d" % (k + 2), nn.Sequential(*[Block(out if i else into, out, width) for i in range(count)]))
        into = out
    backbone = nn.Module()
    for k in range(4):
        backbone.add_module("fpn_lateral%d" % (k + 2), Conv(size["out"] << k, size["fpn"], 1, norm=False))
        backbone.add_module("fpn_output%d" % (k + 2), Conv(size["fpn"], size["fpn"], 3, norm=False))
    backbone.add_module("bottom_up", resnet)
    head = tree(conv=Conv(size["fpn"], size["fpn"], 3, norm=False), objectness_logits=Conv(size["fpn"], 3, 1, norm=False),
                anchor_deltas=Conv(size["fpn"], 12, 1, norm=False))
    box_head = tree(fc1=nn.Linear(size["fpn"] * size["pool"] ** 2, size["fc"]), fc2=nn.Linear(size["fc"], size["fc"]))
    predictor = tree(cls_score=nn.Linear(size["fc"], size["classes"] + 1), bbox_pred=nn.Linear(size["fc"], 4 * size["classes"]))
    model = tree(backbone=backbone, proposal_generator=tree(rpn_head=head),
                 roi_heads=tree(box_head=box_head, box_predictor=predictor))
    frozen = ["stem"] * (freeze_at >= 1) + ["res%d" % k for k in range(2, freeze_at + 1)]
    for name in frozen:
        getattr(resnet, name).requires_grad_(False)
    return model


def numbers(name, shape, salt):
    """What the tests compute too: exact in 32 bits, different for every name."""
    count = 1
    for n in shape:
        count *= n
    start = 101 * sum(name.encode()) + 11 * salt
    return (((torch.arange(count) * 37 + start) % 257 - 128).float() / 1024).reshape(shape)


def groups(model, bias_factor):
    """One entry for each parameter; those with equal settings become one group, the first to appear in front."""
    merged = collections.OrderedDict()
    for module in model.modules():
        for name, value in module.named_parameters(recurse=False):
            if value.requires_grad:
                lr = BASE_LR * (bias_factor if name == "bias" else 1)
                merged.setdefault((lr, DECAY), []).append(value)
    return [{"params": values, "lr": lr, "weight_decay": decay} for (lr, decay), values in merged.items()]


def factor(i):
    """The rate of iteration i as part of BASE_LR."""
    where, warm = i / MAX_ITER, min(WARMUP / MAX_ITER, 1)
    if where + 1e-6 <= warm:
        done = where / warm
        return done + 0.001 * (1 - done)
    return 0.1 ** sum(step <= int((where + 1e-6) * MAX_ITER) for step in STEPS)


def train(size, freeze_at, bias_factor, without):
    model = build(size, freeze_at)
    trained = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    for name, value in model.named_parameters():
        value.data.copy_(numbers(name, value.shape, 50))
    sgd = torch.optim.SGD(groups(model, bias_factor), BASE_LR, momentum=MOMENTUM)
    schedule = torch.optim.lr_scheduler.LambdaLR(sgd, factor)
    for i in range(LAST + 2):
        if i == LAST + 1:
            yield model, sgd.state_dict(), {"base_lrs": schedule.base_lrs, "last_epoch": schedule.last_epoch}
            after = {"momentum/" + name: sgd.state[value]["momentum_buffer"].clone()
                     for name, value in trained if "momentum_buffer" in sgd.state[value]}
        for name, value in trained:
            skipped = name == without and i <= LAST
            value.grad = None if skipped else numbers(name, value.shape, i)
        rate = sgd.param_groups[0]["lr"]
        sgd.step()
        schedule.step()
    after.update((name, value.detach()) for name, value in model.named_parameters())
    yield after, rate


def make(folder, name, size, old):
    steps = train(size, 0 if old else 2, 2 if old else 1, None if old else "backbone.fpn_output3.bias")
    model, optimizer, schedule = next(steps)
    model = model.state_dict()
    if old:
        content = {"model": model, "optimizer": optimizer, "scheduler": schedule, "iteration": LAST,
                   "ema_state": {"backbone": torch.zeros(1)}}
    else:
        scaler = {"scale": 65536.0, "growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 2000,
                  "_growth_tracker": 5}
        inner = {"iteration": LAST, "optimizer": optimizer, "grad_scaler": scaler}
        content = {"model": model, "iteration": LAST,
                   "trainer": {"iteration": LAST, "hooks": {"LRScheduler": schedule}, "_trainer": inner}}
    with open("%s/%s.pth" % (folder, name), "wb") as out:
        torch.save(content, out, _use_new_zipfile_serialization=not old)
    after, rate = next(steps)
    torch.save(after, "%s/%s_next.pth" % (folder, name), _use_new_zipfile_serialization=False)
    print(name, "rate", repr(rate), "parameters", [len(g["params"]) for g in optimizer["param_groups"]])


if len(sys.argv) > 2:
    make(sys.argv[1], "run", {"tiny": TINY, "r50": R50}[sys.argv[2]], False)
else:
    make(sys.argv[1], "run", SMALL, False)
    make(sys.argv[1], "run_old", SMALL, True)
