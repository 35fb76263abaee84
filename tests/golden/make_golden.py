# make_golden.py - makes the small weight files in tests/weights/samples.
#
#   python make_golden.py torch TAG FOLDER     with any PyTorch: TAG*.pth, and state.txt
#   python make_golden.py numpy TAG FOLDER     with any NumPy: TAG_p2.pkl to TAG_p5.pkl, and model.txt
#   python make_golden.py hand FOLDER          with NumPy 1: what no present program writes
#
# The committed ones: torch113 is Debian 12's PyTorch 1.13, torch2 PyTorch 2.15, numpy1 NumPy 1.26,
# numpy2 NumPy 2.4. state.txt and model.txt tell what is in them: name, type, shape, bytes in hex.
import collections
import io
import pickle
import sys
import zipfile


def values(start, count):
    return [(start + k) / 8 - 3 for k in range(count)]


def write_list(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for name, kind, shape, data in rows:
            out.write("%s %s %s %s\n" % (name, kind, "x".join(["-"] + [str(n) for n in shape]), "-" + data.hex()))


# ---- torch --------------------------------------------------------------------


def torch_state():
    import torch
    base = torch.tensor(values(0, 6)).reshape(2, 3)
    state = collections.OrderedDict()
    state["backbone.conv.weight"] = torch.tensor(values(20, 12)).reshape(2, 3, 2)
    state["half"] = torch.tensor(values(3, 5)).half()
    state["brain"] = torch.tensor(values(5, 4)).bfloat16().reshape(2, 2)
    state["double"] = torch.tensor(values(7, 3), dtype=torch.float64)
    state["bn.num_batches_tracked"] = torch.tensor(-5_000_000_000)
    state["int"] = torch.tensor([7, -8], dtype=torch.int32)
    state["byte"] = torch.tensor([0, 1, 254, 255], dtype=torch.uint8)
    state["flag"] = torch.tensor([True, False, True])
    state["base"] = base
    state["transposed"] = base.t()
    state["row"] = base[1]
    state["column"] = base[:, 1]
    state["spread"] = torch.tensor(values(9, 3)).reshape(1, 3).expand(2, 3)
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(torch.tensor(values(1, 4)).reshape(1, 4))
    state["conv.last"] = torch.tensor(values(2, 16)).reshape(1, 4, 2, 2).contiguous(memory_format=torch.channels_last)
    state["name.\u00e9"] = torch.tensor([1.5])
    state._metadata = collections.OrderedDict([("", {"version": 1}), ("bn", {"version": 3})])
    return state


def torch_rows(state):
    import torch
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
             torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8", torch.bool: "U8"}
    for name, tensor in state.items():
        flat = tensor.detach().contiguous().reshape(-1)
        data = b"" if not flat.numel() else (flat.view(torch.int16) if flat.dtype is torch.bfloat16 else flat).numpy().tobytes()
        yield name, names[tensor.dtype], tensor.shape, data


def make_torch(tag, folder):
    import torch
    state = torch_state()
    write_list(folder + "/state.txt", torch_rows(state))

    def save(name, content, **options):
        # Through a file object, as Detectron2 does: the root is "archive" then.
        with open("%s/%s%s.pth" % (folder, tag, name), "wb") as out:
            torch.save(content, out, **options)

    save("", {"model": state, "epoch": 3})
    save("_bare", state)
    save("_p4", {"state_dict": state}, pickle_protocol=4)
    save("_stream", {"model": state}, _use_new_zipfile_serialization=False)
    torch.save(state, "%s/%s_root.pth" % (folder, tag))

    # Two groups of parameters and SGD's buffers, one of which is not there yet; as Detectron2 nests it.
    a, b, c = (torch.nn.Parameter(torch.tensor(values(i, 2))) for i in range(3))
    sgd = torch.optim.SGD([{"params": [a, b], "weight_decay": 0.0001}, {"params": [c], "weight_decay": 0}],
                          lr=0.02, momentum=0.9)
    for step in range(2):
        a.grad, c.grad = torch.tensor([0.5, -1.0]), torch.tensor([2.0, 4.0])
        sgd.step()
    for group in sgd.param_groups:
        group["initial_lr"] = 0.02
        group["lr"] = 0.002
    model = collections.OrderedDict([("a", a.detach()), ("b", b.detach()), ("c", c.detach())])
    hooks = {"LRScheduler": {"base_lrs": [0.02, 0.02], "last_epoch": 90000}}
    save("_detectron2", {"model": model, "iteration": 89999,
                         "trainer": {"iteration": 89999, "hooks": hooks,
                                     "_trainer": {"iteration": 89999, "optimizer": sgd.state_dict()}}})
    training = {"model": model, "optimizer": sgd.state_dict(), "iteration": 7,
                "scheduler": {"milestones": collections.Counter([60000, 80000]), "last_epoch": 8}}
    save("_training", training)
    save("_training_stream", training, _use_new_zipfile_serialization=False)


# ---- numpy --------------------------------------------------------------------


def numpy_model():
    import numpy
    model = {}
    model["backbone.bottom_up.stem.conv1.weight"] = numpy.array(values(0, 12), "f4").reshape(2, 3, 2)
    model["half"] = numpy.array(values(1, 3), "f2")
    model["double"] = numpy.array(values(2, 3), "f8")
    model["long"] = numpy.array([-5_000_000_000, 200, 255, 128])
    model["int"] = numpy.array(3, "i4")
    model["byte"] = numpy.array([0, 128, 255], "u1")
    model["fortran"] = numpy.asfortranarray(numpy.array(values(3, 6), "f4").reshape(2, 3))
    model["sliced"] = numpy.array(values(4, 6), "f4").reshape(2, 3)[:, 1:]
    model["big"] = numpy.array(values(5, 3), ">f4")
    model["empty"] = numpy.zeros((0, 3), "f4")
    model["scalar"] = numpy.float32(0.625)
    return model


def numpy_rows(model):
    names = {"f4": "F32", "f2": "F16", "f8": "F64", "i8": "I64", "i4": "I32", "u1": "U8"}
    for name, array in model.items():
        kind = array.dtype.str[1:]
        yield name, names[kind], array.shape, array.astype("<" + kind).tobytes("C")


def make_numpy(tag, folder):
    model = numpy_model()
    write_list(folder + "/model.txt", numpy_rows(model))
    for protocol in range(2, 6):
        with open("%s/%s_p%d.pkl" % (folder, tag, protocol), "wb") as out:
            pickle.dump({"model": model, "__author__": "Detectron2 Model Zoo", "matching_heuristics": True}, out, protocol)


# ---- by hand --------------------------------------------------------------------


class Python2(pickle._Pickler):
    """Writes str and bytes both as Python 2 did its str."""

    def save_string(self, text):
        data = text.encode("latin-1") if isinstance(text, str) else text
        if self.proto == 0:
            self.write(b"S'" + "".join(chr(c) if 32 <= c < 127 and c not in (39, 92) else "\\x%02x" % c for c in data).encode() + b"'\n")
        elif len(data) < 256:
            self.write(b"U" + bytes([len(data)]) + data)
        else:
            self.write(b"T" + len(data).to_bytes(4, "little") + data)
        self.memoize(text)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[str] = dispatch[bytes] = save_string


def make_hand(folder):
    import numpy
    blobs = {"conv1_w": numpy.array(values(0, 300), "f4").reshape(2, 150), "conv1_b": numpy.array([1, 2], "f4"),
             "conv1_w_momentum": numpy.zeros((2, 150), "f4"), "lr": 0.02, "name": "caf\u00e9"}
    write_list(folder + "/blobs.txt", numpy_rows({"conv1_w": blobs["conv1_w"], "conv1_b": blobs["conv1_b"]}))
    for name, content, protocol in (("caffe2_p2", {"blobs": blobs, "cfg": "MODEL:"}, 2), ("caffe2_p0", {"blobs": blobs}, 0),
                                    ("caffe2_bare", blobs, 2)):
        out = io.BytesIO()
        Python2(out, protocol).dump(content)
        open("%s/%s.pkl" % (folder, name), "wb").write(out.getvalue())

    class Hostile:
        def __reduce__(self):
            import os
            return os.system, ("touch hostile",)

    harm = pickle.dumps({"model": Hostile()}, 2).replace(b"cposix\n", b"cos\n")
    open(folder + "/hostile.pkl", "wb").write(harm)
    with zipfile.ZipFile(folder + "/hostile.pth", "w") as archive:
        archive.writestr("archive/data.pkl", harm)
        archive.writestr("archive/version", "3\n")
    # torch113.pth as a big-endian machine would have written it.
    swaps = {"Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8, "Int": 4, "Byte": 1, "Bool": 1}
    sizes = {}

    class Finder(pickle.Unpickler):
        def find_class(self, module, name):
            return name if module == "torch" else lambda *a: {}

        def persistent_load(self, pid):
            sizes[pid[2]] = swaps[pid[1].replace("Storage", "")]
            return None

    source = zipfile.ZipFile(folder + "/torch113.pth")
    root = [n for n in source.namelist() if n.endswith("data.pkl")][0][:-8]

    def rebuild(*arguments):
        class Dict(dict):
            pass
        return Dict()

    Finder.find_class = lambda self, module, name: name if module == "torch" else rebuild
    Finder(io.BytesIO(source.read(root + "data.pkl"))).load()
    with zipfile.ZipFile(folder + "/big_endian.pth", "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name.startswith(root + "data/"):
                n = sizes[name.rsplit("/", 1)[1]]
                data = b"".join(data[i:i + n][::-1] for i in range(0, len(data), n))
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
        archive.writestr(zipfile.ZipInfo(root + "byteorder", (1980, 1, 1, 0, 0, 0)), b"big")


if sys.argv[1] == "hand":
    make_hand(sys.argv[2])
else:
    {"torch": make_torch, "numpy": make_numpy}[sys.argv[1]](sys.argv[2], sys.argv[3])
