# check_pth.py - loads a .pth with the real torch and compares it with what the test wrote.
#
#   python3 check_pth.py FILE.pth FILE.txt
#
# Each line of the text: name, type, shape as "2x3" or "-", the bytes in hex or "-".
import sys
import torch

types = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64,
         "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8}
loaded = torch.load(sys.argv[1], weights_only=True)
model = loaded["model"]
names = []
for line in open(sys.argv[2], encoding="utf-8"):
    name, dtype, shape, data = line.split()
    names.append(name)
    tensor = model[name]
    assert tensor.dtype is types[dtype], name
    assert list(tensor.shape) == [int(n) for n in shape.split("x") if n != "-"], name
    assert tensor.is_contiguous() and not tensor.requires_grad, name
    flat = tensor.reshape(-1)
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    assert raw.hex() == data.strip("-"), name
assert list(model) == names
assert loaded.get("iteration") == 89999
assert loaded["metadata"] == {"iteration": "89999", "made by": "mdet \u00e9"}
if tuple(int(n) for n in torch.__version__.split(".")[:2]) >= (2, 1):
    mapped = torch.load(sys.argv[1], weights_only=True, mmap=True)["model"]
    assert all(torch.equal(mapped[name], model[name]) for name in names)
print("torch", torch.__version__, "read", len(names), "tensors")
