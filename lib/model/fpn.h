/* fpn.h - feature pyramid on res2..res5, with p6. Detectron2's modeling/backbone/fpn.py. */
#ifndef MODEL_FPN_H
#define MODEL_FPN_H

#include "model/resnet.h"

enum { FPN_LEVELS = 5 }; /* p2..p6 */

struct fpn {
    struct conv lateral[RESNET_STAGES], output[RESNET_STAGES]; /* of res2..res5 */
    bool fuse_avg;
};

struct fpn_saved {
    struct tensor features[RESNET_STAGES], pyramid[FPN_LEVELS];
    struct tensor merged[RESNET_STAGES]; /* inputs of the output convolutions */
    struct conv_saved lateral[RESNET_STAGES], output[RESNET_STAGES];
};

md_status fpn_declare(struct fpn *fpn, struct param_set *set, const struct model_config *config);
void      fpn_bind(struct fpn *fpn, struct param_set *set);
void      fpn_free(struct fpn *fpn, struct device *device);

/* pyramid = p2..p6 from features = res2..res5. saved NULL: inference. */
md_status fpn_forward(struct fpn *fpn, struct stream *stream, struct workspace *workspace,
                      struct tensor pyramid[FPN_LEVELS],
                      const struct tensor features[RESNET_STAGES], struct fpn_saved *saved);
/* pyramid_grads of p2..p6 (p5's is added to); feature_grads[k] overwritten from `first` on. */
md_status fpn_backward(struct fpn *fpn, struct stream *stream, struct workspace *workspace,
                       struct tensor feature_grads[RESNET_STAGES], int first,
                       struct tensor pyramid_grads[FPN_LEVELS], const struct fpn_saved *saved);

#endif
