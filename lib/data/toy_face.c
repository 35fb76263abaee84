/* toy_face.c - paints one cartoon person: shoulders, head, hair, eyes, and a mouth or a mask. */
#include <math.h>

#include "data/toy_draw.h"
#include "data/toy_scene.h"

/* Coordinates are of the face: the chin is at y = 1, the ears end at x = +-0.86. */

static const struct toy_color white = {252, 252, 250};
static const struct toy_color ink = {46, 36, 42};
static const struct toy_color skins[] = {{255, 224, 196}, {245, 205, 165}, {232, 184, 140},
                                         {204, 148, 104}, {172, 116, 78},  {134, 88, 58},
                                         {100, 64, 44}};
static const struct toy_color hairs[] = {{40, 32, 32},   {84, 54, 38},  {140, 88, 50},
                                         {206, 160, 92}, {176, 74, 42}, {172, 170, 170},
                                         {64, 60, 92}};
static const struct toy_color shirts[] = {{206, 84, 84},   {80, 124, 178},  {240, 190, 90},
                                          {96, 156, 120},  {236, 236, 230}, {70, 72, 88},
                                          {160, 116, 176}, {222, 132, 90}};
static const struct toy_color masks[] = {{150, 205, 230}, {150, 205, 230}, {244, 246, 246},
                                         {52, 54, 60},    {238, 178, 196}, {150, 208, 180},
                                         {240, 214, 130}, {108, 118, 186}};
static const struct toy_color irises[] = {
    {70, 48, 36}, {70, 48, 36}, {66, 104, 150}, {84, 128, 84}};

#define PICK(random, table) ((table)[random_below((random), sizeof(table) / sizeof((table)[0]))])

struct painter {
    md_image *image;
    struct toy_frame frame;
    struct random random;
    struct toy_color skin, shadow, hair;
    struct toy_shape head;
};

static void fill(const struct painter *painter, struct toy_shape shape, struct toy_color color,
                 double alpha)
{
    toy_fill(painter->image, &painter->frame, &shape, color, alpha);
}

static void curve(const struct painter *painter, const double points[6], double half_width,
                  struct toy_color color)
{
    toy_curve(painter->image, &painter->frame, points, half_width, color);
}

static bool chance(struct painter *painter, double probability)
{
    return random_uniform(&painter->random) < probability;
}

static double between(struct painter *painter, double low, double high)
{
    return low + (high - low) * random_uniform(&painter->random);
}

/* ---- body and head ------------------------------------------------------------ */

static void paint_legs(struct painter *painter)
{
    struct toy_color trousers = toy_mix(PICK(&painter->random, shirts), ink, 0.45);
    fill(painter,
         (struct toy_shape){.kind = TOY_ELLIPSE, .y = 10.3, .a = 1.9, .b = 0.35, .soft = 0.3}, ink,
         0.35);
    for (int side = -1; side <= 1; side += 2) {
        struct toy_shape shoe = {
            .kind = TOY_ELLIPSE, .x = 0.75 * side, .y = 10.1, .a = 0.62, .b = 0.3};
        struct toy_shape leg = {
            .kind = TOY_BOX, .x = 0.6 * side, .y = 7.2, .a = 0.54, .b = 2.8, .round = 0.2};
        fill(painter, shoe, ink, 1);
        fill(painter, leg, trousers, 1);
    }
}

static void paint_arms(const struct painter *painter, struct toy_color sleeve)
{
    for (int side = -1; side <= 1; side += 2) {
        struct toy_shape hand = {
            .kind = TOY_ELLIPSE, .x = 1.42 * side, .y = 5.5, .a = 0.26, .b = 0.32};
        fill(painter, hand, painter->skin, 1);
        curve(painter, (double[]){1.15 * side, 2.2, 1.5 * side, 3.6, 1.42 * side, 5.2}, 0.3,
              sleeve);
    }
}

/* Upright, whatever the tilt of the head. */
static void paint_body(struct painter *painter)
{
    struct toy_color shirt = PICK(&painter->random, shirts);
    const struct toy_frame head_frame = painter->frame;
    painter->frame.x -= head_frame.sine * head_frame.scale; /* the chins coincide */
    painter->frame.y += (head_frame.cosine - 1) * head_frame.scale;
    painter->frame.cosine = 1;
    painter->frame.sine = 0;
    paint_legs(painter);
    fill(painter,
         (struct toy_shape){.kind = TOY_BOX, .y = 3.35, .a = 1.4, .b = 1.95, .round = 0.75}, shirt,
         1);
    paint_arms(painter, toy_mix(shirt, ink, 0.12));
    fill(painter,
         (struct toy_shape){.kind = TOY_BOX, .y = 1.15, .a = 0.3, .b = 0.45, .round = 0.15},
         painter->shadow, 1);
    fill(painter, (struct toy_shape){.kind = TOY_ELLIPSE, .y = 1.45, .a = 0.36, .b = 0.22},
         painter->shadow, 1);
    curve(painter, (double[]){-0.42, 1.42, 0, 1.95, 0.42, 1.42}, 0.05, toy_mix(shirt, ink, 0.25));
    painter->frame = head_frame;
}

static void paint_ears(const struct painter *painter)
{
    for (int side = -1; side <= 1; side += 2) {
        fill(painter,
             (struct toy_shape){
                 .kind = TOY_ELLIPSE, .x = 0.74 * side, .y = 0.08, .a = 0.12, .b = 0.2},
             painter->skin, 1);
        fill(painter,
             (struct toy_shape){
                 .kind = TOY_ELLIPSE, .x = 0.76 * side, .y = 0.08, .a = 0.06, .b = 0.11},
             painter->shadow, 1);
    }
}

static void paint_head(const struct painter *painter)
{
    fill(painter, painter->head, painter->skin, 1);
    fill(painter,
         (struct toy_shape){.kind = TOY_ELLIPSE,
                            .x = 0.5,
                            .y = 0.35,
                            .a = 0.5,
                            .b = 0.8,
                            .soft = 0.5,
                            .inside = &painter->head},
         painter->shadow, 0.35);
}

static void paint_back_hair(const struct painter *painter)
{
    fill(painter, (struct toy_shape){.kind = TOY_BOX, .y = 0.25, .a = 0.95, .b = 1.2, .round = 0.8},
         painter->hair, 1);
}

/* A cap of hair with a parting: what lies outside the forehead of a head a little too large. */
static void paint_hair(struct painter *painter, bool bald)
{
    if (bald)
        return;
    double part = between(painter, -0.35, 0.35);
    struct toy_shape forehead = {.kind = TOY_ELLIPSE, .x = part, .y = 0.42, .a = 0.92, .b = 0.98};
    struct toy_shape cap = {
        .kind = TOY_ELLIPSE, .y = -0.12, .a = 0.84, .b = 0.98, .outside = &forehead};
    fill(painter, cap, painter->hair, 1);
    curve(painter, (double[]){part - 0.5, -0.85, part - 0.1, -1.02, part + 0.2, -0.92}, 0.025,
          toy_mix(painter->hair, white, 0.35));
    if (chance(painter, 0.2))
        fill(painter, (struct toy_shape){.kind = TOY_ELLIPSE, .y = -1.15, .a = 0.3, .b = 0.26},
             painter->hair, 1);
}

/* ---- the upper half ------------------------------------------------------------- */

static void paint_eyes(struct painter *painter)
{
    struct toy_color iris = PICK(&painter->random, irises);
    double gaze = between(painter, -0.05, 0.05);
    double lift = between(painter, -0.06, 0.04);
    for (int side = -1; side <= 1; side += 2) {
        double x = 0.31 * side;
        struct toy_shape eye = {.kind = TOY_ELLIPSE, .x = x, .y = -0.1, .a = 0.17, .b = 0.14};
        fill(painter, eye, white, 1);
        fill(painter,
             (struct toy_shape){.kind = TOY_ELLIPSE,
                                .x = x + gaze,
                                .y = -0.09,
                                .a = 0.095,
                                .b = 0.11,
                                .inside = &eye},
             iris, 1);
        fill(painter,
             (struct toy_shape){
                 .kind = TOY_ELLIPSE, .x = x + gaze, .y = -0.09, .a = 0.05, .b = 0.06},
             ink, 1);
        fill(painter,
             (struct toy_shape){
                 .kind = TOY_ELLIPSE, .x = x + gaze + 0.035, .y = -0.13, .a = 0.028, .b = 0.028},
             white, 1);
        curve(painter, (double[]){x - 0.18, -0.12, x, -0.28, x + 0.18, -0.12}, 0.022, ink);
        curve(painter, (double[]){x - 0.17, -0.34 + lift, x, -0.46 + lift, x + 0.17, -0.34 + lift},
              0.04, toy_mix(painter->hair, ink, 0.3));
    }
}

static void paint_glasses(const struct painter *painter)
{
    for (int side = -1; side <= 1; side += 2) {
        struct toy_shape lens = {
            .kind = TOY_ELLIPSE, .x = 0.32 * side, .y = -0.08, .a = 0.235, .b = 0.215};
        struct toy_shape rim = lens;
        rim.a += 0.05;
        rim.b += 0.05;
        rim.outside = &lens;
        fill(painter, lens, white, 0.15);
        fill(painter, rim, ink, 1);
        curve(painter, (double[]){0.58 * side, -0.1, 0.66 * side, -0.12, 0.76 * side, -0.02}, 0.025,
              ink);
    }
    curve(painter, (double[]){-0.1, -0.1, 0, -0.16, 0.1, -0.1}, 0.025, ink);
}

/* ---- the lower half ------------------------------------------------------------- */

static void paint_mouth(struct painter *painter)
{
    struct toy_color lips = toy_mix(painter->skin, (struct toy_color){176, 48, 60}, 0.65);
    double smile = between(painter, -0.03, 0.2);
    if (smile > 0.1) {
        struct toy_shape lid = {.kind = TOY_BOX, .y = 0.36, .a = 0.6, .b = 0.14};
        struct toy_shape open = {
            .kind = TOY_ELLIPSE, .y = 0.5, .a = 0.28, .b = 0.22, .outside = &lid};
        fill(painter, open, (struct toy_color){120, 32, 44}, 1);
        fill(painter,
             (struct toy_shape){.kind = TOY_BOX, .y = 0.53, .a = 0.2, .b = 0.04, .round = 0.03},
             white, 1);
    } else {
        curve(painter, (double[]){-0.24, 0.55, 0, 0.58 + smile * 1.6, 0.24, 0.55}, 0.045, lips);
    }
    curve(painter, (double[]){-0.02, 0.02, 0.16, 0.3, -0.04, 0.3}, 0.028, painter->shadow);
    for (int side = -1; side <= 1; side += 2)
        fill(
            painter,
            (struct toy_shape){
                .kind = TOY_ELLIPSE, .x = 0.46 * side, .y = 0.3, .a = 0.14, .b = 0.1, .soft = 0.15},
            (struct toy_color){235, 110, 100}, 0.35);
}

/* Hair where a mask would be: what tells a mask is not just the colour of the lower half. */
static void paint_beard(struct painter *painter)
{
    struct toy_shape cheeks = {.kind = TOY_ELLIPSE, .y = 0.12, .a = 0.56, .b = 0.62};
    fill(painter,
         (struct toy_shape){.kind = TOY_ELLIPSE,
                            .y = 0.3,
                            .a = 0.72,
                            .b = 0.74,
                            .inside = &painter->head,
                            .outside = &cheeks},
         painter->hair, 1);
    curve(painter, (double[]){-0.26, 0.44, 0, 0.3, 0.26, 0.44}, 0.06, painter->hair);
}

static void paint_dots(const struct painter *painter, const struct toy_shape *mask,
                       struct toy_color color)
{
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 4; column++)
            fill(painter,
                 (struct toy_shape){.kind = TOY_ELLIPSE,
                                    .x = -0.48 + 0.28 * column + 0.14 * (row % 2),
                                    .y = 0.3 + 0.24 * row,
                                    .a = 0.06,
                                    .b = 0.06,
                                    .inside = mask},
                 color, 1);
}

static void paint_mask(struct painter *painter)
{
    struct toy_color color = PICK(&painter->random, masks);
    struct toy_color dark = toy_mix(color, ink, 0.35);
    struct toy_color strap = toy_mix(color, white, 0.5);
    double top = between(painter, 0.1, 0.2);
    struct toy_shape jaw = painter->head;
    jaw.a += 0.03;
    jaw.b += 0.02;
    struct toy_shape cloth = {
        .kind = TOY_BOX, .y = top + 0.44, .a = 0.72, .b = 0.42, .round = 0.26, .inside = &jaw};
    for (int side = -1; side <= 1; side += 2) {
        curve(painter, (double[]){0.62 * side, top + 0.15, 0.7 * side, 0.05, 0.78 * side, 0.0},
              0.025, strap);
        curve(painter, (double[]){0.6 * side, top + 0.55, 0.76 * side, 0.45, 0.78 * side, 0.22},
              0.025, strap);
    }
    fill(painter, cloth, color, 1);
    if (chance(painter, 0.25)) {
        paint_dots(painter, &cloth, toy_mix(color, white, 0.7));
    } else {
        for (int i = 0; i < 3; i++) {
            double y = top + 0.24 + 0.2 * i;
            curve(painter, (double[]){-0.55 + 0.06 * i, y, 0, y + 0.1, 0.55 - 0.06 * i, y}, 0.016,
                  dark);
        }
    }
    curve(painter, (double[]){-0.5, top + 0.06, 0, top - 0.03, 0.5, top + 0.06}, 0.025,
          toy_mix(color, white, 0.6));
    fill(painter,
         (struct toy_shape){.kind = TOY_ELLIPSE,
                            .x = 0.5,
                            .y = 0.6,
                            .a = 0.35,
                            .b = 0.5,
                            .soft = 0.4,
                            .inside = &cloth},
         ink, 0.18);
}

void toy_face_paint(const struct toy_face *face, md_image *image)
{
    struct painter painter = {.image = image,
                              .frame = toy_frame_at(face->x, face->y, face->scale, face->tilt),
                              .random = face->random,
                              .head = {.kind = TOY_ELLIPSE, .a = 0.78, .b = 1.0}};
    painter.skin = PICK(&painter.random, skins);
    painter.hair = PICK(&painter.random, hairs);
    painter.shadow = toy_mix(painter.skin, (struct toy_color){96, 40, 40}, 0.28);
    bool bald = chance(&painter, 0.12);
    if (!bald && chance(&painter, 0.4))
        paint_back_hair(&painter);
    paint_body(&painter);
    paint_ears(&painter);
    paint_head(&painter);
    if (!face->mask && chance(&painter, 0.2))
        paint_beard(&painter);
    if (!face->mask)
        paint_mouth(&painter);
    paint_eyes(&painter);
    paint_hair(&painter, bald);
    if (face->mask)
        paint_mask(&painter);
    if (chance(&painter, 0.2))
        paint_glasses(&painter);
}
