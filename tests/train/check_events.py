"""check_events.py FOLDER - does TensorBoard itself read from a run what metrics.json says?"""
import json
import math
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

wanted = {}
with open(sys.argv[1] + "/metrics.json") as lines:
    for line in lines:
        scalars = json.loads(line)
        step = scalars.pop("iteration")
        wanted.update({(tag, step): value for tag, value in scalars.items()})

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
found = {
    (tag, scalar.step): scalar.value
    for tag in events.Tags()["scalars"]
    for scalar in events.Scalars(tag)
}

assert wanted and found.keys() == wanted.keys(), found.keys() ^ wanted.keys()
for key, value in wanted.items():
    value = math.nan if value is None else value
    # Events hold 24 bits of a number.
    assert math.isclose(found[key], value, rel_tol=1e-7) or math.isnan(value), (key, found[key], value)
print(len(found), "scalars")
