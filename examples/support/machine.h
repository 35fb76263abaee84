/* machine.h - what the machine has: processor, memory, NVIDIA GPUs, by looking at /proc. */
#ifndef EXAMPLES_MACHINE_H
#define EXAMPLES_MACHINE_H

enum { MACHINE_GPUS = 16 };

struct machine {
    char model[256];    /* of the processor */
    char features[256]; /* "AVX2, FMA" */
    int  cores, usable; /* usable: by this process, as taskset and containers have it */
    double memory_total, memory_free; /* GiB */
    char gpus[MACHINE_GPUS][96];
    int  gpu_count;
    char driver[64];    /* "" without one */
};

void machine_look(struct machine *machine);

#endif
