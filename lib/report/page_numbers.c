/* page_numbers.c - how good it is, class by class, and what was taken for what. */
#include <inttypes.h>

#include "core/error.h"
#include "report/page.h"

/* ---- how good ----------------------------------------------------------------------------- */

static md_status put_tile(struct page *page, const struct report_metric *metric,
                          const struct report_interval *interval)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<div class=\"tile\"><span class=\"name\">"));
    TRY(page_text(page, metric->name));
    TRY(page_put(page, "</span><b>"));
    TRY(page_percent(page, metric->value));
    TRY(page_put(page, "</b><span>"));
    TRY(page_text(page, metric->words));
    TRY(page_put(page, "</span>"));
    if (interval && interval->low <= interval->high) {
        TRY(page_put(page, "<span>95&#8239;% sure: "));
        TRY(page_percent(page, interval->low));
        TRY(page_put(page, " to "));
        TRY(page_percent(page, interval->high));
        TRY(page_put(page, "</span>"));
    }
    TRY(page_put(page, "</div>\n"));
fail:
    return st;
}

/* The matrix in one sentence, for who does not know what AP is. */
static md_status put_sentence(struct page *page)
{
    md_status st = MD_OK;
    struct summary_counts all = summary_all(page->content);
    if (all.truths + all.found == 0)
        return page_put(page, "<p>There is no object, and nothing was found.</p>\n");
    TRY(page_put(page, "<p>With detections from score "));
    TRY(page_fixed(page, page->content->score, 2));
    TRY(page_put(page, " on, <strong>"));
    TRY(page_count(page, all.hits));
    TRY(page_put(page, "</strong> of "));
    TRY(page_count(page, all.truths));
    TRY(page_put(page, " objects are found and named rightly (recall "));
    TRY(page_percent(page, all.recall));
    TRY(page_put(page, "&#8239;%), and of "));
    TRY(page_count(page, all.found));
    TRY(page_put(page, " detections <strong>"));
    TRY(page_count(page, all.found - all.hits));
    TRY(page_put(page, "</strong> are wrong (precision "));
    TRY(page_percent(page, all.precision));
    TRY(page_put(page, "&#8239;%).</p>\n"));
fail:
    return st;
}

static md_status put_all_metrics(struct page *page,
                                 const struct report_metric metrics[REPORT_METRICS])
{
    md_status st = MD_OK;
    TRY(page_open_scroll(page, "The twelve numbers of COCO"));
    TRY(page_put(page, "<table>\n<caption>The twelve numbers of COCO, in percent</caption>\n"
                       "<thead><tr><th scope=\"col\" class=\"left\">Number</th>"
                       "<th scope=\"col\">Value</th><th scope=\"col\" class=\"words\">Of what</th>"
                       "</tr></thead>\n<tbody>\n"));
    for (int i = 0; i < REPORT_METRICS; i++) {
        TRY(page_put(page, "<tr>"));
        TRY(page_name_cell(page, metrics[i].name));
        TRY(page_percent_cell(page, metrics[i].value));
        TRY(page_put(page, "<td class=\"words\">"));
        TRY(page_text(page, metrics[i].words));
        TRY(page_put(page, "</td></tr>\n"));
    }
    TRY(page_put(page, "</tbody></table>\n</div>\n"));
fail:
    return st;
}

md_status page_put_headline(struct page *page)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    const struct summary_counts all = summary_all(content);
    struct report_metric metrics[REPORT_METRICS];
    const struct report_metric counts[2] = {
        {"Precision", "of the detections are right", all.precision},
        {"Recall", "of the objects are found", all.recall}};
    summary_metrics(metrics, &content->coco->metrics, content->rules);
    TRY(page_open_section(page, "good", "How good is it?"));
    TRY(page_put(page, "<div class=\"tiles\">\n"));
    TRY(put_tile(page, &metrics[0], &content->ap));
    TRY(put_tile(page, &metrics[1], &content->ap50));
    TRY(put_tile(page, &metrics[2], NULL));
    TRY(put_tile(page, &counts[0], NULL));
    TRY(put_tile(page, &counts[1], NULL));
    TRY(page_put(page, "</div>\n"));
    TRY(put_sentence(page));
    TRY(page_put(page, "<div class=\"pair\">\n"));
    TRY(put_all_metrics(page, metrics));
    TRY(page_figure(page, REPORT_SIZES,
                    "How large the objects are, and how many of each size are found. "
                    "Small: up to 32 pixels a side; large: from 96 on."));
    TRY(page_put(page, "</div>\n</section>\n"));
fail:
    return st;
}

/* ---- classes ------------------------------------------------------------------------------ */

static md_status put_counts(struct page *page, const struct summary_counts *counts)
{
    md_status st = MD_OK;
    TRY(page_count_cell(page, counts->hits));
    TRY(page_count_cell(page, counts->found - counts->hits));
    TRY(page_count_cell(page, counts->truths - counts->hits));
    TRY(page_percent_cell(page, counts->precision));
    TRY(page_percent_cell(page, counts->recall));
    TRY(page_percent_cell(page, counts->f1));
fail:
    return st;
}

static md_status put_threshold_cell(struct page *page, size_t class_id)
{
    md_status st = MD_OK;
    const struct curves *curves = page->content->curves;
    if (!curves)
        return MD_OK;
    TRY(page_put(page, "<td>"));
    TRY(curves->best[class_id] < 0.0 ? page_put(page, "&ndash;")
                                     : page_fixed(page, curves->best[class_id], 2));
    TRY(page_put(page, "</td>"));
fail:
    return st;
}

static md_status put_class(struct page *page, size_t class_id)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    const struct summary_counts counts = summary_class(content, class_id);
    TRY(page_put(page, "<tr>"));
    TRY(page_name_cell(page, summary_name(content, class_id)));
    TRY(page_count_cell(page, counts.truths));
    TRY(page_bar_cell(page, content->coco->class_ap[class_id], 1.0));
    TRY(page_percent_cell(page, content->coco->class_ap50[class_id]));
    TRY(put_counts(page, &counts));
    TRY(put_threshold_cell(page, class_id));
    TRY(page_put(page, "</tr>\n"));
fail:
    return st;
}

static md_status put_class_foot(struct page *page)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    const struct summary_counts all = summary_all(content);
    TRY(page_put(page, "</tbody>\n<tfoot><tr><th scope=\"row\">all</th>"));
    TRY(page_count_cell(page, all.truths));
    TRY(page_bar_cell(page, content->coco->metrics.ap, 1.0));
    TRY(page_percent_cell(page, content->coco->metrics.ap50));
    TRY(put_counts(page, &all));
    TRY(put_threshold_cell(page, (size_t)content->dataset->class_count));
    TRY(page_put(page, "</tr></tfoot></table>\n</div>\n"));
fail:
    return st;
}

md_status page_put_classes(struct page *page)
{
    md_status st = MD_OK;
    TRY(page_open_section(page, "classes", "Which classes?"));
    TRY(page_open_scroll(page, "Numbers by class"));
    TRY(page_put(page, "<table>\n<caption>AP in percent; from <em>right</em> to F1 at score "));
    TRY(page_fixed(page, page->content->score, 2));
    TRY(page_put(page, " and IoU "));
    TRY(page_fixed(page, page->content->iou, 2));
    TRY(page_put(
        page, "</caption>\n<thead><tr><th scope=\"col\" class=\"left\">Class</th>"
              "<th scope=\"col\">Objects</th><th scope=\"col\">AP</th><th scope=\"col\">AP50</th>"
              "<th scope=\"col\">Right</th><th scope=\"col\">Wrong</th>"
              "<th scope=\"col\">Not found</th><th scope=\"col\">Precision</th>"
              "<th scope=\"col\">Recall</th><th scope=\"col\">F1</th>"));
    if (page->content->curves)
        TRY(page_put(page, "<th scope=\"col\">Threshold</th>"));
    TRY(page_put(page, "</tr></thead>\n<tbody>\n"));
    for (int i = 0; i < page->content->dataset->class_count; i++)
        TRY(put_class(page, (size_t)i));
    TRY(put_class_foot(page));
    TRY(page_put(page, "</section>\n"));
fail:
    return st;
}

/* ---- confusions --------------------------------------------------------------------------- */

/* Of many classes what is missed or made up would fill the list: the table of classes has it. */
static md_status put_pairs(struct page *page, bool classes)
{
    enum { MOST = 10 };
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    struct summary_pair pairs[MOST];
    size_t nothing = (size_t)content->dataset->class_count;
    size_t count = summary_pairs(pairs, MOST, content, classes);
    if (count == 0)
        return page_put(page, classes ? "<p>No class was taken for another.</p>\n"
                                      : "<p>Nothing was confused, missed or made up.</p>\n");
    TRY(page_put(page, "<div>\n"));
    TRY(page_open_scroll(page, "The most frequent mistakes"));
    TRY(page_put(page, "<table>\n<caption>"));
    TRY(page_put(page,
                 classes ? "Classes taken for another most often" : "The most frequent mistakes"));
    TRY(page_put(page, "; share: of the objects of that truth, in percent</caption>\n<thead><tr>"
                       "<th scope=\"col\" class=\"left\">Truth</th><th scope=\"col\" "
                       "class=\"left\">Found as</th><th scope=\"col\">Times</th>"
                       "<th scope=\"col\">Share</th></tr></thead>\n<tbody>\n"));
    for (size_t i = 0; i < count; i++) {
        TRY(page_put(page, "<tr>"));
        TRY(page_name_cell(page, summary_name(content, pairs[i].truth)));
        TRY(page_put(page, "<td class=\"left\"><bdi>"));
        TRY(page_text(page, summary_name(content, pairs[i].found)));
        TRY(page_put(page, "</bdi></td>"));
        TRY(page_count_cell(page, pairs[i].count));
        double share = -1.0; /* of nothing there is no number */
        if (pairs[i].truth != nothing)
            share = (double)pairs[i].count / (double)summary_class(content, pairs[i].truth).truths;
        TRY(page_percent_cell(page, share));
        TRY(page_put(page, "</tr>\n"));
    }
    TRY(page_put(page, "</tbody></table>\n</div>\n</div>\n"));
fail:
    return st;
}

md_status page_put_confusion(struct page *page)
{
    md_status st = MD_OK;
    bool few = page->plots->confusion.count <= 4;    /* readable when a phone shrinks it */
    bool small = page->plots->confusion.count <= 12; /* leaves room beside it */
    TRY(page_open_section(page, "confusion", "What was confused with what?"));
    TRY(page_put(page, "<p>Rows are the truth, columns what was found, at score "));
    TRY(page_fixed(page, page->content->score, 2));
    TRY(page_put(page, " and IoU "));
    TRY(page_fixed(page, page->content->iou, 2));
    TRY(page_put(page, ". In the column <em>nothing</em> are the objects that were missed, in the "
                       "row <em>nothing</em> the detections where there is no object.</p>\n"));
    TRY(page_put(page, small ? "<div class=\"pair\">\n" : ""));
    if (!small)
        TRY(put_pairs(page, true)); /* before what is larger than a screen */
    TRY(page_put(page, few ? "<div class=\"fit\">\n"
                           : "<div class=\"scroll\" role=\"region\" tabindex=\"0\" "
                             "aria-label=\"Confusion matrix\">\n"));
    TRY(heat_map_put_svg(&page->plots->confusion, page->memory, &page->out));
    TRY(page_put(page, "</div>\n"));
    if (small)
        TRY(put_pairs(page, false));
    TRY(page_put(page, small ? "</div>\n</section>\n" : "</section>\n"));
fail:
    return st;
}
