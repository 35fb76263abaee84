/* loader.h - training batches, read ahead by worker threads, in an order fixed by the seed. */
#ifndef DATA_LOADER_H
#define DATA_LOADER_H

#include "core/pool.h"
#include "data/dataset.h"

enum { LOADER_MAX_BATCH = 512 };

/* A random part of an image: shares of its sides (0..1], or pixels, at most the image. */
struct crop_options {
    bool   enabled, absolute;
    bool   range;   /* relative: size .. 1; absolute: size[0] .. size[1] for both sides */
    double size[2]; /* height, width */
};

/* Weights are drawn from [0]..[1]; both 1: off. In this order, after all else. */
struct color_options {
    bool   enabled; /* false: the others do not count */
    double brightness[2], contrast[2], saturation[2];
    double lighting; /* standard deviation in levels; 0: off */
};

/* How one image is prepared. Detectron2's default pipeline: RandomCrop, ResizeShortestEdge, RandomFlip;
 * then its colour augmentations. All zero but the sizes: resize alone. */
struct augment_options {
    const int *min_sizes; /* short side: one of them, or with `range` uniform in [0]..[1] */
    int        min_size_count;
    bool       range;
    int        max_size;
    double     flip_probability;
    bool       flip_vertical; /* instead of horizontal */
    struct crop_options  crop;
    struct color_options color;
};

/* Where the order of images stands: enough to go on exactly there. It describes the batch that
 * loader_next hands out next, not what workers have read ahead. */
struct loader_state {
    uint64_t seed;
    uint64_t position;  /* entries of the endless stream of permutations consumed */
    uint32_t pending[2][LOADER_MAX_BATCH]; /* images waiting in the two aspect-ratio buckets (wide, tall) */
    uint32_t pending_count[2];
    uint64_t batch;     /* batches handed out */
};

struct sample {
    size_t   image_index;         /* in the dataset */
    md_image image;               /* RGB8, as the network sees it */
    int      original_width, original_height;
    bool     flipped;
    struct annotation *annotations; /* boxes in pixels of `image`; crowd and empty ones are gone */
    size_t   annotation_count;
};

struct batch {
    struct sample *samples; /* [count] */
    int            count;
};

struct loader_options {
    int      batch_size; /* 1..LOADER_MAX_BATCH */
    /* Of every batch this loader hands out the images number share, share + shares, ...; not training:
     * of the whole order. 0: all. The state is that of the whole, the same in every share. */
    int      share, shares;
    /* endless, shuffled, augmented; else once through in order, no augmentation, last batch may be short */
    bool     training;
    /* training only: a batch is all wide or all tall (width > height) by original size */
    bool     group_by_aspect;
    bool     filter_empty;      /* training only: images without a non-crowd annotation are left out */
    /* training only: images of classes in a smaller share of them come more often (data/repeat.h); 0: off */
    double   repeat_threshold;
    bool     repeat_sqrt;
    double   subset_ratio;      /* training only: a share of the images, picked by seed; 0 and 1: all */
    /* an unreadable image is logged, counted and replaced by the next (training) or left out */
    bool     skip_broken;
    struct augment_options augment; /* not training: min_sizes[0], max_size */
    int      threads;    /* workers; 0: read in loader_next itself */
    int      read_ahead; /* batches (2) */
    uint64_t seed;
};

struct loader;

/* Keeps dataset and log; they must outlive it. `state` NULL: from the start. */
md_status loader_create(struct loader **out, struct memory *memory, const struct log *log,
                        const struct dataset *dataset,
                        const struct loader_options *options, const struct loader_state *state);
/* The next batch, borrowed until the next call. MD_END when not training and all was read. The
 * content depends on seed, state and options alone, never on threads. */
md_status loader_next(struct loader *loader, const struct batch **out);
void      loader_state(const struct loader *loader, struct loader_state *out);
size_t    loader_skipped(const struct loader *loader); /* broken images so far */
size_t    loader_image_count(const struct loader *loader); /* after filtering */
void      loader_free(struct loader *loader);

#endif
