/* cudnn_heuristics.c - which of cuDNN's engines are tried for a problem.
 *
 * The heuristics list configurations of engines, best first. Those whose numbers do not suit are
 * left out by the notes that engines carry; of those compiled while the program runs, a second
 * each, a few are enough. 16-bit problems ask twice: for a bias, or a weight's gradient, in fp32, and
 * in 16 bits, for which many more engines are there. */
#include "backend/cuda/vendor/cudnn_plan.h"

#include "core/error.h"

/* Of each graph: looked at, made ready, and of those compiled while the program runs. */
enum { CONFIGS_MAX = 24, PLANS_MAX = 6, RUNTIME_MAX = 2 };

typedef cudnnBackendDescriptor_t descriptor;

/* ---- engines: which are wanted ------------------------------------------------------------ */

struct engine_facts {
    int64_t index;
    bool compiled_now; /* while the program runs */
    bool wanted;
};

static bool numbers_suit(cudnnBackendNumericalNote_t note, const struct conv_problem *p)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: /* which round fp32 factors to TF32 */
        return p->in != TENSOR_F32 || (p->flags & CONV_TF32);
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return false;
    default:
        return true;
    }
}

static struct engine_facts engine_facts(const struct cudnn *cudnn, descriptor config,
                                        const struct conv_problem *p)
{
    struct engine_facts facts = {.index = -1};
    const struct cudnn_calls *calls = &cudnn->calls;
    descriptor engine = NULL;
    int64_t count = 0;
    cudnnBackendNumericalNote_t numbers[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behaviours[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    if (calls->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != 0)
        return facts;
    if (calls->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) != 0 ||
        calls->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                                        &count, &facts.index) != 0)
        goto done;
    if (calls->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                        CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                                        &count, numbers) != 0)
        goto done;
    facts.wanted = true;
    for (int64_t i = 0; i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        facts.wanted = facts.wanted && numbers_suit(numbers[i], p);
    count = 0;
    calls->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                    CUDNN_TYPE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT,
                                    &count, behaviours);
    for (int64_t i = 0; i < count && i < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT; i++)
        facts.compiled_now =
            facts.compiled_now || behaviours[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
done:
    calls->cudnnBackendDestroyDescriptor(engine);
    return facts;
}

/* ---- the heuristics' lists ---------------------------------------------------------------- */

/* What is collected, and how much more of it is wanted. */
struct plan_list {
    struct vendor_plan **items;
    int capacity, count;
    int compiled_left; /* tries of engines that are compiled now */
};

static md_status add_plan(struct cudnn *cudnn, struct plan_list *list, struct cudnn_graph *graph,
                          descriptor config, const struct conv_problem *p)
{
    md_status st = MD_OK;
    struct cudnn_plan *plan = NULL;
    int64_t workspace = 0;
    const struct engine_facts facts = engine_facts(cudnn, config, p);
    if (!facts.wanted || (facts.compiled_now && list->compiled_left == 0))
        return MD_OK;
    list->compiled_left -= facts.compiled_now;
    TRY(cudnn_make_plan(cudnn, &plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config, &workspace));
    if (!plan)
        return MD_OK;
    plan->graph = graph;
    graph->users++;
    cudnn_fill_plan(plan, p, facts.index, workspace, graph->narrow);
    list->items[list->count++] = &plan->base;
fail:
    return st;
}

static md_status add_configs(struct cudnn *cudnn, struct plan_list *list, struct cudnn_graph *graph,
                             descriptor heuristics, const struct conv_problem *p)
{
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    descriptor configs[CONFIGS_MAX] = {NULL};
    int64_t count = 0;
    for (int i = 0; i < CONFIGS_MAX; i++)
        TRY(cudnn_check(
            cudnn,
            calls->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]),
            "engine configurations"));
    if (calls->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, CONFIGS_MAX, &count,
                                        configs) != 0)
        count = 0;
    for (int64_t i = 0; i < count && i < CONFIGS_MAX && list->count < list->capacity; i++)
        TRY(add_plan(cudnn, list, graph, configs[i], p));
fail:
    for (int i = 0; i < CONFIGS_MAX; i++)
        if (configs[i])
            calls->cudnnBackendDestroyDescriptor(configs[i]);
    return st;
}

static md_status add_mode(struct cudnn *cudnn, struct plan_list *list, struct cudnn_graph *graph,
                          cudnnBackendHeurMode_t mode, const struct conv_problem *p)
{
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    descriptor heuristics = NULL;
    if (calls->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics) != 0)
        return MD_OK;
    if (calls->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE,
                                        CUDNN_TYPE_HEUR_MODE, 1, &mode) == 0 &&
        calls->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph->handle) == 0 &&
        calls->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &cudnn->device) == 0 &&
        calls->cudnnBackendFinalize(heuristics) == 0)
        st = add_configs(cudnn, list, graph, heuristics, p);
    calls->cudnnBackendDestroyDescriptor(heuristics);
    return st;
}

/* Compiling takes a driver. Products are cuBLASLt's, which has all it needs at hand. */
static int compiled_wanted(const struct cudnn *cudnn, const struct conv_problem *p)
{
    return cudnn->handle && !conv_problem_is_product(p) ? RUNTIME_MAX : 0;
}

/* Modes one after the other until one of them has something. */
static md_status add_graph(struct cudnn *cudnn, struct plan_list *list,
                           const struct conv_problem *p, bool narrow)
{
    static const cudnnBackendHeurMode_t MODES[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B,
                                                   CUDNN_HEUR_MODE_FALLBACK};
    md_status st = MD_OK;
    struct cudnn_graph *graph = NULL;
    TRY(cudnn_graph_create(&graph, &cudnn->calls, cudnn->memory, p, narrow));
    for (size_t i = 0; graph && i < sizeof MODES / sizeof MODES[0] && list->count == 0; i++)
        TRY(add_mode(cudnn, list, graph, MODES[i], p));
fail:
    cudnn_graph_free(graph, cudnn->memory);
    return st;
}

md_status cudnn_plans(struct cudnn *cudnn, struct vendor_plan **out, int capacity, int *count,
                      const struct conv_problem *problem)
{
    md_status st = MD_OK;
    int done = 0;
    const bool filter = problem->flags & CONV_FILTER;
    const bool narrow_too =
        problem->in != TENSOR_F32 && (filter || (problem->flags & CONV_BIAS) != 0);
    /* A wide bias of 16-bit problems has only engines that are compiled now. */
    for (int narrow = narrow_too && !filter && !cudnn->handle; narrow <= narrow_too; narrow++) {
        const int left = capacity - done;
        struct plan_list list = {out + done, left < PLANS_MAX ? left : PLANS_MAX, 0,
                                 compiled_wanted(cudnn, problem)};
        st = add_graph(cudnn, &list, problem, narrow);
        done += list.count;
        if (st < 0)
            goto fail;
    }
    *count = done;
    return MD_OK;
fail:
    while (done > 0)
        cudnn_plan_free(cudnn, out[--done]);
    return st;
}
