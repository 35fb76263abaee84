/* page_pieces.c - texts, numbers, cells and figures of report.html. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/markup.h"
#include "report/page.h"

md_status page_put(struct page *page, const char *markup)
{
    return buffer_puts(&page->out, markup);
}

md_status page_text(struct page *page, const char *text)
{
    return markup_put_text(&page->out, text);
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* In groups of three from five digits on, with a narrow space that does not break. */
md_status page_count(struct page *page, uint64_t count)
{
    md_status st = MD_OK;
    uint64_t group = 1;
    if (count < 10000)
        return buffer_printf(&page->out, "%" PRIu64, count);
    while (count / group >= 1000)
        group *= 1000;
    TRY(buffer_printf(&page->out, "%" PRIu64, count / group));
    for (group /= 1000; group > 0; group /= 1000)
        TRY(buffer_printf(&page->out, "&#8239;%03" PRIu64, count / group % 1000));
fail:
    return st;
}

/* With a point whatever the locale. At most six decimals. */
md_status page_fixed(struct page *page, double value, int decimals)
{
    long long unit = 1;
    if (!isfinite(value) || fabs(value) > 1e12)
        return page_put(page, "&ndash;");
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    long long whole = llround(fabs(value) * (double)unit);
    const char *sign = value < 0.0 && whole ? "&minus;" : "";
    if (decimals == 0)
        return buffer_printf(&page->out, "%s%lld", sign, whole);
    return buffer_printf(&page->out, "%s%lld.%0*lld", sign, whole / unit, decimals, whole % unit);
}

md_status page_percent(struct page *page, double fraction)
{
    return fraction < 0.0 ? page_put(page, "&ndash;") : page_fixed(page, 100.0 * fraction, 1);
}

/* ---- cells -------------------------------------------------------------------------------- */

/* A name of the data may run from right to left: it is kept to itself. */
md_status page_name_cell(struct page *page, const char *name)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<th scope=\"row\"><bdi>"));
    TRY(page_text(page, name));
    TRY(page_put(page, "</bdi></th>"));
fail:
    return st;
}

md_status page_count_cell(struct page *page, uint64_t count)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<td>"));
    TRY(page_count(page, count));
    TRY(page_put(page, "</td>"));
fail:
    return st;
}

md_status page_percent_cell(struct page *page, double fraction)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<td>"));
    TRY(page_percent(page, fraction));
    TRY(page_put(page, "</td>"));
fail:
    return st;
}

md_status page_bar_cell(struct page *page, double fraction, double full)
{
    md_status st = MD_OK;
    double share = full > 0.0 ? fmin(fmax(fraction / full, 0.0), 1.0) : 0.0;
    TRY(page_put(page, "<td class=\"bar\"><span><i style=\"width:"));
    TRY(page_fixed(page, 100.0 * share, 1));
    TRY(page_put(page, "%\"></i></span>"));
    TRY(page_percent(page, fraction));
    TRY(page_put(page, "</td>"));
fail:
    return st;
}

/* ---- blocks ------------------------------------------------------------------------------- */

/* What scrolls can be reached by the keyboard, and then says its name. */
md_status page_open_scroll(struct page *page, const char *label)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\""));
    TRY(page_text(page, label));
    TRY(page_put(page, "\">\n"));
fail:
    return st;
}

/* Of a size whose letters can still be read when a phone shrinks it. */
md_status page_figure(struct page *page, enum report_plot plot, const char *caption)
{
    md_status st = MD_OK;
    struct plot small = page->plots->items[plot];
    small.width = 500;
    small.height = 370;
    if (small.series_count == 0)
        return MD_OK;
    TRY(page_put(page, "<figure>"));
    TRY(plot_put_svg(&small, page->memory, &page->out));
    TRY(page_put(page, "<figcaption>"));
    TRY(page_text(page, caption));
    TRY(page_put(page, "</figcaption></figure>\n"));
fail:
    return st;
}

md_status page_open_section(struct page *page, const char *id, const char *title)
{
    return buffer_printf(&page->out,
                         "<section id=\"%s\" aria-labelledby=\"%s-title\">\n"
                         "<h2 id=\"%s-title\">%s</h2>\n",
                         id, id, id, title);
}
