/* resnet.h - ResNet and ResNeXt, their norms fixed or trained: basic and bottleneck blocks. Detectron2's
 * modeling/backbone/resnet.py, names included. */
#ifndef MODEL_RESNET_H
#define MODEL_RESNET_H

#include "config/typed.h"
#include "nn/conv.h"

enum { RESNET_STAGES = 4 };

struct resnet_block {
    struct conv shortcut, conv1, conv2, conv3; /* conv3 only in bottlenecks */
    bool has_shortcut, bottleneck;
};

struct resnet_stage {
    struct resnet_block *blocks; /* [count] */
    int  count, channels;
    int  first_param; /* number of the first one declared */
    bool frozen;
};

struct resnet {
    struct conv         stem;
    bool                stem_frozen;
    struct resnet_stage stages[RESNET_STAGES]; /* res2..res5 */
    struct memory      *memory;
};

/* What the backward pass needs of one block. */
struct resnet_block_saved {
    struct tensor in, mid1, mid2, out; /* mid2 only in bottlenecks */
    struct conv_saved shortcut, conv1, conv2, conv3;
};
struct resnet_saved {
    struct tensor image, stem, pooled;               /* only when the stem is trained */
    struct conv_saved stem_conv;
    struct resnet_block_saved *blocks[RESNET_STAGES]; /* [count] */
};

/* FrozenBN stands in for the batch norm of a layer that is not trained. */
enum conv_norm resnet_norm(enum norm_kind kind, bool trainable);
md_status resnet_declare(struct resnet *resnet, struct param_set *set, const struct model_config *config);
void      resnet_bind(struct resnet *resnet, struct param_set *set);
md_status resnet_refresh(struct resnet *resnet, struct param_set *set, struct stream *stream);
void      resnet_free(struct resnet *resnet, struct device *device);

md_status resnet_saved_create(struct resnet_saved *saved, const struct resnet *resnet);
void      resnet_saved_free(struct resnet_saved *saved, struct memory *memory);

/* features[k] = res(k+2) [n, H/4.., W/4.., c], in the workspace. saved NULL: nothing but they stays
 * there, and at the far end, so that the maps made of them can outlive them; else all that backward
 * needs is kept. */
md_status resnet_forward(struct resnet *resnet, struct stream *stream, struct workspace *workspace,
                         struct tensor features[RESNET_STAGES], const struct tensor *image,
                         struct resnet_saved *saved);
/* grads[k]: gradient of features[k], overwritten on the way; not looked at below the first trained
 * stage. The watch (may be NULL) is told after each stage. */
md_status resnet_backward(struct resnet *resnet, struct stream *stream, struct workspace *workspace,
                          struct tensor grads[RESNET_STAGES], const struct resnet_saved *saved,
                          const struct gradient_watch *watch);
/* Index of the first stage with trained parameters, 0..4. */
int resnet_first_trained(const struct resnet *resnet);

#endif
