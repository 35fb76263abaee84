/* page_choice.c - which score threshold to use; what was evaluated, and how the numbers are made. */
#include "core/error.h"
#include "report/page.h"

static md_status put_advice(struct page *page)
{
    md_status st = MD_OK;
    const struct curves *curves = page->content->curves;
    md_counts counts;
    if (!curves)
        return MD_OK;
    double best = curves->best[curves->class_count];
    if (best < 0.0)
        return page_put(page, "<p>No detection is right, so that no threshold is any good.</p>\n");
    curves_count(&counts, curves, curves->class_count, best);
    TRY(page_put(page, "<p>One for all classes: <strong>"));
    TRY(page_fixed(page, best, 2));
    TRY(page_put(page, "</strong>, where F1 is highest: "));
    TRY(page_percent(page, counts.f1));
    TRY(page_put(page, ", of precision "));
    TRY(page_percent(page, counts.precision));
    TRY(page_put(page, " and recall "));
    TRY(page_percent(page, counts.recall));
    TRY(page_put(page, ". The best of each class stands in the table of classes. Who minds false "
                       "alarms takes a higher one, who minds misses a lower one.</p>\n"));
fail:
    return st;
}

md_status page_put_threshold(struct page *page)
{
    md_status st = MD_OK;
    TRY(page_open_section(page, "threshold", "Which threshold to use?"));
    TRY(put_advice(page));
    TRY(page_put(page, "<div class=\"pair\">\n"));
    TRY(page_figure(page, REPORT_F1,
                    "F1, the harmonic mean of precision and recall, when only "
                    "detections from a confidence on are taken; IoU 0.50."));
    TRY(page_figure(page, REPORT_PR,
                    "What precision is left at each recall. The area below a "
                    "curve is the average precision at its IoU."));
    TRY(page_figure(page, REPORT_PRECISION, "Which share of the detections is right."));
    TRY(page_figure(page, REPORT_RECALL, "Which share of the objects is found."));
    TRY(page_figure(page, REPORT_SCORES,
                    page->content->errors
                        ? "Scores of detections that are right and of those that are not: the less "
                          "they overlap, the better a threshold parts them."
                        : "How sure the detections are."));
    TRY(page_put(page, "</div>\n</section>\n"));
fail:
    return st;
}

/* ---- what --------------------------------------------------------------------------------- */

static md_status put_rules(struct page *page)
{
    md_status st = MD_OK;
    const struct coco_options *rules = page->content->rules;
    TRY(page_put(page, "<p>AP and AR are those of COCO, computed as pycocotools does, at IoU "));
    for (int i = 0; i < rules->threshold_count; i++) {
        TRY(page_put(page, i ? ", " : ""));
        TRY(page_fixed(page, rules->thresholds[i], 2));
    }
    TRY(page_put(page, ": at most "));
    TRY(page_count(page, (uint64_t)rules->limits[COCO_LIMITS - 1]));
    TRY(page_put(page,
                 " detections of a class in an image, precision at 101 steps of recall, crowds "
                 "count neither way. A dash stands where there is nothing to measure.</p>\n"));
fail:
    return st;
}

static md_status put_definitions(struct page *page)
{
    md_status st = MD_OK;
    TRY(page_put(page, "<h3>How the numbers are made</h3>\n"));
    TRY(put_rules(page));
    TRY(page_put(page,
                 "<p>Confusions: detections and objects are paired one to one, whatever their "
                 "classes, the pair of the highest IoU first; what is left over on either "
                 "side was confused with nothing.</p>\n"));
    if (page->content->resamples) {
        TRY(page_put(page, "<p>Intervals: the images were drawn again with replacement "));
        TRY(page_count(page, page->content->resamples));
        TRY(page_put(page, " times; 95&#8239;% of the values lie inside, once "
                           "their mean is moved to the value itself.</p>\n"));
    }
    if (page->content->errors)
        TRY(page_put(page, "<p>Kinds of mistakes are those of TIDE (Bolya et al., 2020), at IoU "
                           "0.50; below 0.10 nothing counts as overlapped.</p>\n"));
fail:
    return st;
}

md_status page_put_facts(struct page *page)
{
    md_status st = MD_OK;
    const struct report_content *content = page->content;
    TRY(page_open_section(page, "what", "What was evaluated?"));
    TRY(page_put(page, "<dl>\n"));
    for (size_t i = 0; i < content->fact_count; i++) {
        TRY(page_put(page, "<dt>"));
        TRY(page_text(page, content->facts[i].name));
        TRY(page_put(page, "</dt><dd><bdi>"));
        TRY(page_text(page, content->facts[i].value));
        TRY(page_put(page, "</bdi></dd>\n"));
    }
    TRY(page_put(page, "</dl>\n"));
    TRY(put_definitions(page));
    TRY(page_put(page, "</section>\n"));
fail:
    return st;
}
