/* font.c - the built-in font: each character a few strokes, drawn at any height. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "draw/paint.h"

/* ---- shapes --------------------------------------------------------------------------------
 *
 * A path in whole units, y downwards: M moves, L draws lines, Q draws parabolas (control point,
 * end point); a command goes on for further pairs of numbers. Capitals stand between 0 and 28,
 * small letters begin at 8, descenders end at 36; one line is 44 units high. `width` is the
 * distance from the leftmost to the rightmost stroke. */

enum { LINE_UNITS = 44, ABOVE_CAPITALS = 7, SPACING = 8 };

struct glyph {
    uint32_t code; /* Unicode */
    int width;
    const char *path;
};

/* clang-format off */
static const struct glyph ascii[] = {
    {' ', 3, ""},
    {'!', 0, "M0 0L0 19M0 27L0 28"},
    {'"', 6, "M0 0L0 7M6 0L6 7"},
    {'#', 18, "M6 2L3 26M15 2L12 26M1 9L18 9M0 19L17 19"},
    {'$', 16, "M16 6Q14 2 8 2Q0 2 0 8Q0 13 8 14Q16 15 16 20Q16 26 8 26Q2 26 0 22M8 -2L8 30"},
    {'%', 24, "M20 0L4 28M5 0Q10 0 10 6Q10 12 5 12Q0 12 0 6Q0 0 5 0"
              "M19 16Q24 16 24 22Q24 28 19 28Q14 28 14 22Q14 16 19 16"},
    {'&', 20, "M20 28L5 10Q2 6 4 3Q6 0 9 0Q14 0 14 5Q14 9 8 12Q0 15 0 21Q0 28 8 28Q16 28 18 16"},
    {'\'', 0, "M0 0L0 7"},
    {'(', 6, "M6 -3Q0 4 0 15Q0 26 6 33"},
    {')', 6, "M0 -3Q6 4 6 15Q6 26 0 33"},
    {'*', 12, "M6 0L6 12M0 3L12 9M12 3L0 9"},
    {'+', 16, "M8 8L8 24M0 16L16 16"},
    {',', 3, "M3 27L0 33"},
    {'-', 9, "M0 17L9 17"},
    {'.', 0, "M0 27L0 28"},
    {'/', 12, "M12 -2L0 32"},
    {'0', 16, "M8 0Q16 0 16 14Q16 28 8 28Q0 28 0 14Q0 0 8 0"},
    {'1', 16, "M3 5L9 0L9 28"},
    {'2', 16, "M0 7Q1 0 8 0Q16 0 16 7Q16 12 10 18L0 28L16 28"},
    {'3', 16, "M1 5Q3 0 8 0Q15 0 15 7Q15 13 8 13L6 13M8 13Q16 13 16 21Q16 28 8 28Q2 28 0 22"},
    {'4', 16, "M12 28L12 0L0 20L16 20"},
    {'5', 16, "M15 0L3 0L1 13Q4 10 8 10Q16 10 16 19Q16 28 8 28Q2 28 0 23"},
    {'6', 16, "M14 4Q12 0 8 0Q0 0 0 16Q0 28 8 28Q16 28 16 19Q16 11 8 11Q1 11 0 18"},
    {'7', 16, "M0 0L16 0L6 28"},
    {'8', 16, "M8 13Q1 13 1 7Q1 0 8 0Q15 0 15 7Q15 13 8 13Q0 13 0 20Q0 28 8 28Q16 28 16 20Q16 13 8 13"},
    {'9', 16, "M2 24Q4 28 8 28Q16 28 16 12Q16 0 8 0Q0 0 0 9Q0 17 8 17Q15 17 16 10"},
    {':', 0, "M0 11L0 12M0 27L0 28"},
    {';', 3, "M3 11L3 12M3 27L0 33"},
    {'<', 15, "M15 8L0 16L15 24"},
    {'=', 16, "M0 12L16 12M0 20L16 20"},
    {'>', 15, "M0 8L15 16L0 24"},
    {'?', 14, "M0 6Q1 0 7 0Q14 0 14 6Q14 10 10 13Q7 15 7 20M7 27L7 28"},
    {'@', 28, "M20 10L20 17Q20 21 24 21Q28 21 28 13Q28 0 14 0Q0 0 0 15Q0 30 14 30Q19 30 23 28"
              "M20 15Q20 9 14 9Q8 9 8 15Q8 21 14 21Q20 21 20 15"},
    {'A', 20, "M0 28L10 0L20 28M3 19L17 19"},
    {'B', 17, "M0 14L10 14Q16 14 16 7Q16 0 10 0L0 0L0 28L10 28Q17 28 17 21Q17 14 10 14"},
    {'C', 19, "M19 6Q17 0 10 0Q0 0 0 14Q0 28 10 28Q17 28 19 22"},
    {'D', 19, "M0 0L0 28L8 28Q19 28 19 14Q19 0 8 0L0 0"},
    {'E', 15, "M15 0L0 0L0 28L15 28M0 14L13 14"},
    {'F', 14, "M15 0L0 0L0 28M0 14L13 14"},
    {'G', 20, "M19 6Q17 0 10 0Q0 0 0 14Q0 28 10 28Q20 28 20 18L20 15L11 15"},
    {'H', 19, "M0 0L0 28M19 0L19 28M0 14L19 14"},
    {'I', 0, "M0 0L0 28"},
    {'J', 12, "M12 0L12 20Q12 28 6 28Q0 28 0 21"},
    {'K', 17, "M0 0L0 28M17 0L0 17M6 11L17 28"},
    {'L', 13, "M0 0L0 28L14 28"},
    {'M', 22, "M0 28L0 0L11 19L22 0L22 28"},
    {'N', 19, "M0 28L0 0L19 28L19 0"},
    {'O', 22, "M11 0Q22 0 22 14Q22 28 11 28Q0 28 0 14Q0 0 11 0"},
    {'P', 16, "M0 28L0 0L9 0Q16 0 16 8Q16 16 9 16L0 16"},
    {'Q', 22, "M11 0Q22 0 22 14Q22 28 11 28Q0 28 0 14Q0 0 11 0M14 21L22 30"},
    {'R', 17, "M0 28L0 0L9 0Q16 0 16 7Q16 14 9 14L0 14M9 14L17 28"},
    {'S', 17, "M16 6Q14 0 8 0Q1 0 1 7Q1 13 8 14Q17 15 17 21Q17 28 9 28Q2 28 0 22"},
    {'T', 18, "M0 0L18 0M9 0L9 28"},
    {'U', 20, "M0 0L0 18Q0 28 10 28Q20 28 20 18L20 0"},
    {'V', 20, "M0 0L10 28L20 0"},
    {'W', 28, "M0 0L7 28L14 4L21 28L28 0"},
    {'X', 18, "M0 0L18 28M18 0L0 28"},
    {'Y', 18, "M0 0L9 14L18 0M9 14L9 28"},
    {'Z', 17, "M0 0L17 0L0 28L17 28"},
    {'[', 6, "M6 -3L0 -3L0 33L6 33"},
    {'\\', 12, "M0 -2L12 32"},
    {']', 6, "M0 -3L6 -3L6 33L0 33"},
    {'^', 14, "M0 12L7 0L14 12"},
    {'_', 16, "M0 32L16 32"},
    {'`', 5, "M0 0L5 5"},
    {'a', 15, "M1 12Q3 8 8 8Q15 8 15 15L15 28M15 17L7 17Q0 17 0 22Q0 28 6 28Q12 28 15 23"},
    {'b', 16, "M0 0L0 28M0 18Q0 8 8 8Q16 8 16 18Q16 28 8 28Q0 28 0 18"},
    {'c', 14, "M14 12Q12 8 8 8Q0 8 0 18Q0 28 8 28Q12 28 14 24"},
    {'d', 16, "M16 0L16 28M16 18Q16 8 8 8Q0 8 0 18Q0 28 8 28Q16 28 16 18"},
    {'e', 16, "M0 18L16 18Q16 8 8 8Q0 8 0 18Q0 28 8 28Q13 28 15 24"},
    {'f', 9, "M10 0Q4 0 4 6L4 28M0 8L9 8"},
    {'g', 16, "M16 8L16 28Q16 36 8 36Q3 36 1 33M16 18Q16 8 8 8Q0 8 0 18Q0 28 8 28Q16 28 16 18"},
    {'h', 15, "M0 0L0 28M0 16Q1 8 8 8Q15 8 15 16L15 28"},
    {'i', 0, "M0 8L0 28M0 0L0 1"},
    {'j', 4, "M4 8L4 31Q4 36 0 36M4 0L4 1"},
    {'k', 13, "M0 0L0 28M13 8L0 20M5 16L14 28"},
    {'l', 3, "M0 0L0 24Q0 28 4 28"},
    {'m', 26, "M0 8L0 28M0 16Q1 8 7 8Q13 8 13 16L13 28M13 16Q14 8 20 8Q26 8 26 16L26 28"},
    {'n', 15, "M0 8L0 28M0 16Q1 8 8 8Q15 8 15 16L15 28"},
    {'o', 17, "M8 8Q17 8 17 18Q17 28 8 28Q0 28 0 18Q0 8 8 8"},
    {'p', 16, "M0 8L0 36M0 18Q0 8 8 8Q16 8 16 18Q16 28 8 28Q0 28 0 18"},
    {'q', 16, "M16 8L16 36M16 18Q16 8 8 8Q0 8 0 18Q0 28 8 28Q16 28 16 18"},
    {'r', 8, "M0 8L0 28M0 17Q1 8 9 8"},
    {'s', 13, "M12 11Q10 8 6 8Q0 8 0 13Q0 17 6 18Q13 19 13 23Q13 28 7 28Q2 28 0 24"},
    {'t', 9, "M4 1L4 23Q4 28 9 28M0 8L9 8"},
    {'u', 15, "M0 8L0 20Q0 28 7 28Q14 28 15 20M15 8L15 28"},
    {'v', 16, "M0 8L8 28L16 8"},
    {'w', 24, "M0 8L6 28L12 10L18 28L24 8"},
    {'x', 14, "M0 8L14 28M14 8L0 28"},
    {'y', 16, "M0 8L8 28M16 8L8 28Q5 36 0 36"},
    {'z', 13, "M0 8L13 8L0 28L13 28"},
    {'{', 9, "M9 -3Q4 -3 4 3L4 10Q4 15 0 15Q4 15 4 20L4 27Q4 33 9 33"},
    {'|', 0, "M0 -3L0 33"},
    {'}', 9, "M0 -3Q5 -3 5 3L5 10Q5 15 9 15Q5 15 5 20L5 27Q5 33 0 33"},
    {'~', 16, "M0 18Q3 12 8 16Q13 20 16 14"},
};

static const struct glyph others[] = {
    {0xa0, 3, ""}, /* no-break space */
    {0xb0, 10, "M5 0Q10 0 10 5Q10 10 5 10Q0 10 0 5Q0 0 5 0"},
    {0xb1, 16, "M8 4L8 20M0 12L16 12M0 26L16 26"},
    {0xb5, 15, "M0 8L0 36M0 20Q0 28 7 28Q14 28 15 20M15 8L15 28"},
    {0xb7, 0, "M0 16L0 17"},
    {0xc4, 20, "M0 28L10 0L20 28M3 19L17 19M5 -5L5 -5M15 -5L15 -5"},
    {0xd6, 22, "M11 0Q22 0 22 14Q22 28 11 28Q0 28 0 14Q0 0 11 0M6 -5L6 -5M16 -5L16 -5"},
    {0xd7, 13, "M0 10L13 23M13 10L0 23"},
    {0xdc, 20, "M0 0L0 18Q0 28 10 28Q20 28 20 18L20 0M5 -5L5 -5M15 -5L15 -5"},
    {0xdf, 16, "M0 28L0 8Q0 0 7 0Q14 0 14 6Q14 11 9 13Q16 14 16 21Q16 28 9 28Q6 28 5 27"},
    {0xe4, 15, "M1 12Q3 8 8 8Q15 8 15 15L15 28M15 17L7 17Q0 17 0 22Q0 28 6 28Q12 28 15 23M4 1L4 1M12 1L12 1"},
    {0xf6, 17, "M8 8Q17 8 17 18Q17 28 8 28Q0 28 0 18Q0 8 8 8M4 1L4 1M13 1L13 1"},
    {0xfc, 15, "M0 8L0 20Q0 28 7 28Q14 28 15 20M15 8L15 28M3 1L3 1M12 1L12 1"},
    {0x2013, 15, "M0 17L15 17"},
    {0x2026, 20, "M0 27L0 28M10 27L10 28M20 27L20 28"},
};

/* clang-format on */

static const struct glyph missing = {0, 14, "M0 0L14 0L14 28L0 28L0 0"};

/* ---- text to glyphs ------------------------------------------------------------------------ */

/* The next character of *text; a byte that is not UTF-8 is a character by itself, unknown. */
static uint32_t next_code(const char **text)
{
    const unsigned char *p = (const unsigned char *)*text;
    int more = p[0] < 0x80                   ? 0
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 1
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 2
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 3
                                             : -1;
    uint32_t code = more <= 0 ? p[0] : p[0] & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        code = code << 6 | (p[i] & 0x3f);
    }
    *text += more < 0 ? 1 : more + 1;
    return more < 0 ? 0xfffd : code;
}

static const struct glyph *find_glyph(uint32_t code)
{
    if (code >= ' ' && code <= '~')
        return &ascii[code - ' '];
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (others[i].code == code)
            return &others[i];
    return &missing;
}

/* ---- placing ------------------------------------------------------------------------------- */

/* Pixels per unit, and where the main horizontal strokes come to lie: on whole pixels, or text of
 * ten pixels would be a blur. */
struct metrics {
    float scale;
    float stroke; /* pixels */
    float phase;  /* of the middle of a stroke in the pixel grid */
    float y[5];   /* pixels of the lines below */
};

static const float guide_lines[5] = {-ABOVE_CAPITALS, 0, 8, 28, LINE_UNITS - ABOVE_CAPITALS};

static struct metrics measure(float height)
{
    struct metrics m = {.scale = height / LINE_UNITS};
    m.stroke = fmaxf(1.1f, height * 0.083f);
    m.phase = (int)(m.stroke + 0.5f) % 2 == 1 ? 0.5f : 0.0f;
    for (int i = 0; i < 5; i++) {
        float y = (guide_lines[i] + ABOVE_CAPITALS) * m.scale;
        m.y[i] = i == 0 || i == 4 ? y : floorf(y - m.phase + 0.5f) + m.phase;
    }
    return m;
}

static float place_y(const struct metrics *m, float y)
{
    int i = 0;
    while (i < 3 && y > guide_lines[i + 1])
        i++;
    float t = (y - guide_lines[i]) / (guide_lines[i + 1] - guide_lines[i]);
    return m->y[i] + t * (m->y[i + 1] - m->y[i]);
}

/* Whole pixels, so that the same letter looks the same everywhere in a text. */
static float advance(const struct metrics *m, const struct glyph *glyph)
{
    return floorf((float)(glyph->width + SPACING) * m->scale + 0.5f);
}

/* ---- strokes ------------------------------------------------------------------------------- */

enum { MOST_SEGMENTS = 192, CURVE_STEPS = 8 };

struct strokes {
    struct segment segments[MOST_SEGMENTS];
    size_t count;
    float x, y; /* the pen, in units */
};

static void stroke_to(struct strokes *strokes, const struct metrics *m, float x, float y)
{
    if (strokes->count < MOST_SEGMENTS)
        strokes->segments[strokes->count++] = (struct segment){
            strokes->x * m->scale, place_y(m, strokes->y), x * m->scale, place_y(m, y)};
    strokes->x = x;
    strokes->y = y;
}

static void curve_to(struct strokes *strokes, const struct metrics *m, const float *p)
{
    float x = strokes->x;
    float y = strokes->y;
    for (int i = 1; i <= CURVE_STEPS; i++) {
        float t = (float)i / CURVE_STEPS;
        float u = 1.0f - t;
        stroke_to(strokes, m, u * u * x + 2.0f * u * t * p[0] + t * t * p[2],
                  u * u * y + 2.0f * u * t * p[1] + t * t * p[3]);
    }
}

static void follow_path(struct strokes *strokes, const struct metrics *m, const char *path)
{
    while (*path) {
        char command = *path++;
        float p[4] = {0};
        int numbers = command == 'Q' ? 4 : 2;
        for (int i = 0; i < numbers; i++) {
            char *end;
            p[i] = (float)strtol(path, &end, 10);
            path = end;
        }
        if (command == 'Q') {
            curve_to(strokes, m, p);
        } else if (command == 'L') {
            stroke_to(strokes, m, p[0], p[1]);
        } else {
            strokes->x = p[0];
            strokes->y = p[1];
        }
    }
}

/* ---- the two functions ----------------------------------------------------------------------- */

float draw_text_width(const char *utf8, float height)
{
    if (!isfinite(height) || height <= 0.0f)
        return 0.0f;
    struct metrics m = measure(height);
    float width = 0.0f;
    while (*utf8)
        width += advance(&m, find_glyph(next_code(&utf8)));
    return width;
}

void draw_text(md_image *image, float x, float y, const char *utf8, float height,
               struct draw_color color)
{
    if (!isfinite(x) || !isfinite(y) || !isfinite(height) || height < 1.0f || height > 1e4f ||
        y > (float)image->height || y + height < 0.0f)
        return;
    struct metrics m = measure(height);
    float left = floorf(x + (float)SPACING * 0.5f * m.scale - m.phase + 0.5f) + m.phase;
    float top = floorf(y + 0.5f);
    while (*utf8 && left < (float)image->width + height) {
        const struct glyph *glyph = find_glyph(next_code(&utf8));
        float step = advance(&m, glyph);
        if (left + step > -height && step > 0.0f) {
            struct strokes strokes = {.count = 0};
            follow_path(&strokes, &m, glyph->path);
            for (size_t i = 0; i < strokes.count; i++) {
                strokes.segments[i].x0 += left;
                strokes.segments[i].x1 += left;
                strokes.segments[i].y0 += top;
                strokes.segments[i].y1 += top;
            }
            paint_segments(image, strokes.segments, strokes.count, m.stroke, color);
        }
        left += step;
    }
}
