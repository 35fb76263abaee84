/* toy_scene.h - who stands where in toy picture number `index`, and painting it. */
#ifndef DATA_TOY_SCENE_H
#define DATA_TOY_SCENE_H

#include "core/random.h"
#include "md/image.h"

enum { TOY_MAX_FACES = 5 };

struct toy_face {
    double x, y;   /* centre of the face */
    double scale;  /* half its height, pixels */
    double tilt;   /* radians */
    bool   mask;
    float  box[4]; /* forehead to chin, ear to ear; clipped to the image */
    struct random random; /* what the rest of its looks is drawn from */
};

/* Far (small) faces first. */
struct toy_scene {
    int             width, height;
    struct toy_face faces[TOY_MAX_FACES];
    int             face_count;
    struct random   random; /* of the background */
};

/* A function of (seed, index) alone. */
void toy_scene_plan(struct toy_scene *scene, uint64_t seed, uint64_t index);
void toy_scene_paint(const struct toy_scene *scene, md_image *image); /* RGB8 of the scene's size */
void toy_face_paint(const struct toy_face *face, md_image *image);

#endif
