/* toy_scene.c - plans a toy picture: size, faces that do not hide one another, and a cluttered background. */
#include "data/toy_scene.h"

#include <math.h>

#include "data/toy_draw.h"

/* Half the width of the box relative to half its height. */
static const double face_aspect = 0.86;

static double between(struct random *random, double low, double high)
{
    return low + (high - low) * random_uniform(random);
}

/* ---- plan -------------------------------------------------------------------- */

static void place_box(struct toy_face *face, const struct toy_scene *scene)
{
    double c = cos(face->tilt), s = sin(face->tilt);
    double half_width = face->scale * hypot(face_aspect * c, s);
    double half_height = face->scale * hypot(face_aspect * s, c);
    face->box[0] = (float)fmax(face->x - half_width, 0);
    face->box[1] = (float)fmax(face->y - half_height, 0);
    face->box[2] = (float)fmin(face->x + half_width, scene->width);
    face->box[3] = (float)fmin(face->y + half_height, scene->height);
}

/* Would the nearer (larger) face, with its hair, or the body below it cover the other? */
static bool hides(const struct toy_face *nearer, const struct toy_face *other)
{
    double gap = nearer->scale * 0.3;
    bool apart = other->box[2] < nearer->box[0] - gap || other->box[0] > nearer->box[2] + gap;
    bool above = other->box[3] < nearer->box[1] - gap;
    bool beside = other->box[2] < nearer->x - 1.9 * nearer->scale ||
                  other->box[0] > nearer->x + 1.9 * nearer->scale;
    bool higher = other->box[3] < nearer->box[3];
    return !(above || beside || (apart && higher));
}

static bool place_face(struct toy_scene *scene, struct random *random, double scale)
{
    struct toy_face *face = &scene->faces[scene->face_count];
    for (int attempt = 0; attempt < 24; attempt++) {
        bool hidden = false;
        face->scale = scale;
        face->tilt = between(random, -0.22, 0.22);
        face->x = between(random, 0.7 * scale, scene->width - 0.7 * scale);
        face->y = between(random, 1.1 * scale, scene->height - 0.95 * scale);
        place_box(face, scene);
        for (int i = 0; i < scene->face_count; i++)
            hidden = hidden || hides(&scene->faces[i], face);
        if (!hidden)
            return true;
    }
    return false;
}

void toy_scene_plan(struct toy_scene *scene, uint64_t seed, uint64_t index)
{
    struct random random = {.seed = seed, .stream = random_stream(RANDOM_TOY, index)};
    double scales[TOY_MAX_FACES];
    *scene = (struct toy_scene){.random = random};
    scene->random.index = (uint64_t)1 << 32;
    scene->width = 160 + (int)random_below(&random, 81);
    scene->height = 120 + (int)random_below(&random, 61);
    int wanted = 1 + (int)random_below(&random, TOY_MAX_FACES);
    for (int i = 0; i < wanted; i++) {
        scales[i] = 11 * exp(between(&random, 0, wanted > 2 ? 1.0 : 1.35));
        for (int k = i; k > 0 && scales[k] > scales[k - 1]; k--) {
            double swap = scales[k];
            scales[k] = scales[k - 1];
            scales[k - 1] = swap;
        }
    }
    /* Near faces are placed first, as the hardest to find room for, and painted last. */
    for (int i = 0; i < wanted; i++) {
        if (!place_face(scene, &random, scales[i]))
            continue;
        struct toy_face *face = &scene->faces[scene->face_count++];
        face->mask = random_below(&random, 2) == 1;
        face->random = random;
        face->random.index = (uint64_t)(i + 1) << 20;
    }
    for (int i = 0; i < scene->face_count / 2; i++) {
        struct toy_face swap = scene->faces[i];
        scene->faces[i] = scene->faces[scene->face_count - 1 - i];
        scene->faces[scene->face_count - 1 - i] = swap;
    }
}

/* ---- background -------------------------------------------------------------- */

static const struct toy_color walls[] = {{196, 214, 224}, {232, 221, 203}, {176, 196, 177},
                                         {214, 190, 190}, {120, 144, 156}, {96, 108, 132},
                                         {243, 236, 224}, {188, 180, 208}};
static const struct toy_color things[] = {{214, 92, 78},   {238, 178, 76},  {84, 140, 120},
                                          {70, 96, 150},   {150, 98, 74},   {92, 70, 92},
                                          {232, 232, 226}, {60, 64, 72},    {238, 196, 160},
                                          {170, 120, 88},  {120, 190, 220}, {216, 150, 180}};

#define PICK(random, table) ((table)[random_below((random), sizeof(table) / sizeof((table)[0]))])

/* A framed picture or a window. */
static void paint_frame(md_image *image, const struct toy_frame *frame, struct random *random)
{
    struct toy_shape outer = {
        .kind = TOY_BOX, .a = between(random, 0.5, 1), .b = between(random, 0.5, 1), .round = 0.05};
    struct toy_shape inner = outer;
    inner.a -= 0.12;
    inner.b -= 0.12;
    toy_fill(image, frame, &outer, PICK(random, things), 1);
    toy_fill(image, frame, &inner, PICK(random, walls), 1);
    struct toy_shape hill = {.kind = TOY_ELLIPSE,
                             .x = between(random, -0.5, 0.5),
                             .y = inner.b,
                             .a = 0.6,
                             .b = 0.5,
                             .inside = &inner};
    toy_fill(image, frame, &hill, PICK(random, things), 1);
}

/* Round, sometimes of the colour of skin, but nobody's face. */
static void paint_ball(md_image *image, const struct toy_frame *frame, struct random *random)
{
    struct toy_color color = PICK(random, things);
    struct toy_shape ball = {
        .kind = TOY_ELLIPSE, .a = between(random, 0.4, 0.8), .b = between(random, 0.4, 0.8)};
    struct toy_shape shade = {.kind = TOY_ELLIPSE,
                              .x = 0.25,
                              .y = 0.3,
                              .a = ball.a,
                              .b = ball.b,
                              .soft = 0.4,
                              .inside = &ball};
    struct toy_shape light = {
        .kind = TOY_ELLIPSE, .x = -0.2, .y = -0.25, .a = 0.16, .b = 0.12, .soft = 0.1};
    toy_fill(image, frame, &ball, color, 1);
    toy_fill(image, frame, &shade, (struct toy_color){30, 24, 40}, 0.25);
    toy_fill(image, frame, &light, (struct toy_color){255, 255, 255}, 0.6);
}

static void paint_plant(md_image *image, const struct toy_frame *frame, struct random *random)
{
    struct toy_shape pot = {.kind = TOY_BOX, .y = 0.7, .a = 0.35, .b = 0.3, .round = 0.08};
    toy_fill(image, frame, &pot, PICK(random, things), 1);
    for (int i = 0; i < 7; i++) {
        double angle = between(random, -1.2, 1.2);
        double length = between(random, 0.7, 1.2);
        struct toy_color green = {between(random, 40, 90), between(random, 110, 160),
                                  between(random, 60, 100)};
        double tip_x = length * sin(angle), tip_y = 0.4 - length * cos(angle);
        toy_curve(image, frame, (double[]){0, 0.45, tip_x * 0.2, tip_y * 0.6, tip_x, tip_y}, 0.07,
                  green);
    }
}

static void paint_stripes(md_image *image, const struct toy_frame *frame, struct random *random)
{
    struct toy_shape cloth = {.kind = TOY_BOX, .a = 0.9, .b = 0.6, .round = 0.1};
    struct toy_color color = PICK(random, things);
    toy_fill(image, frame, &cloth, PICK(random, things), 1);
    for (int i = 0; i < 4; i++) {
        double x = -0.7 + 0.45 * i;
        struct toy_shape stripe = {
            .kind = TOY_STROKE, .x = x, .y = -1, .a = x, .b = 1, .round = 0.08, .inside = &cloth};
        toy_fill(image, frame, &stripe, color, 1);
    }
}

/* Lines that bend: pipes, cables, branches. */
static void paint_cable(md_image *image, const struct toy_frame *frame, struct random *random)
{
    double points[6];
    for (int i = 0; i < 6; i++)
        points[i] = between(random, -2, 2);
    toy_curve(image, frame, points, between(random, 0.03, 0.12), PICK(random, things));
}

static void paint_background(const struct toy_scene *scene, md_image *image)
{
    typedef void paint_fn(md_image * image, const struct toy_frame *frame, struct random *random);
    static paint_fn *const kinds[] = {paint_frame,   paint_ball,  paint_plant,
                                      paint_stripes, paint_cable, paint_ball};
    struct random random = scene->random;
    struct toy_color wall = PICK(&random, walls);
    toy_gradient(image, toy_mix(wall, (struct toy_color){255, 255, 255}, 0.25),
                 toy_mix(wall, (struct toy_color){40, 40, 60}, 0.25));
    int count = 5 + (int)random_below(&random, 8);
    for (int i = 0; i < count; i++) {
        struct toy_frame frame =
            toy_frame_at(between(&random, 0, scene->width), between(&random, 0, scene->height),
                         between(&random, 12, 34), between(&random, -0.3, 0.3));
        kinds[random_below(&random, sizeof kinds / sizeof kinds[0])](image, &frame, &random);
    }
}

void toy_scene_paint(const struct toy_scene *scene, md_image *image)
{
    struct random random = scene->random;
    random.index += (uint64_t)1 << 32;
    paint_background(scene, image);
    for (int i = 0; i < scene->face_count; i++)
        toy_face_paint(&scene->faces[i], image);
    toy_noise(image, random_u32(&random), 2 + (int)random_below(&random, 7));
}
