/* typed_read.h - helpers of config_typed: read a key, check its range, name it in the error. */
#ifndef CONFIG_TYPED_READ_H
#define CONFIG_TYPED_READ_H

#include "config/tree.h"
#include "config/typed.h"

enum { TYPED_MAX_CHANNELS = 65536, TYPED_MAX_EDGE = 65536, TYPED_MAX_COUNT = 1000000 };

struct numbers {
    double items[CONFIG_MAX_MIN_SIZES];
    size_t count;
};

/* least <= value <= most; nan is refused too. */
md_status typed_read_number(const struct config *config, const char *key, double least, double most,
                            double *out);
/* One of the words; *out is its index. The list ends with NULL. */
md_status typed_read_word(const struct config *config, const char *key, const char *const *words, int *out);
/* Exactly `count` numbers (at most CONFIG_MAX_MIN_SIZES). */
md_status typed_read_floats(const struct config *config, const char *key, size_t count, double least,
                            double most, float *out);
/* At most `max_count` (of CONFIG_MAX_MIN_SIZES) whole numbers. */
md_status typed_read_integers(const struct config *config, const char *key, double least, double most,
                              size_t max_count, struct numbers *out);

/* The part of config_typed that says what the network is (typed_model.c). */
md_status typed_read_model(const struct config *config, struct model_config *out);

/* What is done to training images, and in which order they come (typed_augment.c). */
md_status typed_read_augment(const struct config *config, struct input_config *out);
md_status typed_read_sampler(const struct config *config, struct input_config *out);
/* How a step changes the weights: learning rate, clipping, parts, average (typed_update.c). */
md_status typed_read_update(const struct config *config, struct solver_config *out);

#endif
