/*
 * Distances beyond the quartiles, each side by its own measure. Amounts are skewed: twice the usual is nothing special, and half of it may
 * be. So what lies above the median is measured in the distance from the median to the upper quartile, and what lies below it in the
 * distance to the lower one (the idea of the box plot: Tukey, "Exploratory Data Analysis", 1977). A row's raw score is the sum over its
 * features of what lies beyond `ignore` such distances.
 *
 * The model's bytes, little-endian: FORMAT, the width, `ignore`, then lower quartile distance, median and upper quartile distance of each
 * feature.
 */
#include "bindings/plugin.h"
#include "parameters.h"
#include <stdlib.h>
#include <string.h>

typedef exports_synod_detector_detector_error_t error_t;
typedef exports_synod_detector_detector_matrix_t matrix_t;

/* Raise it whenever the layout below changes. */
static const uint32_t FORMAT = 1;
static const size_t HEADER = 16, FEATURE = 24;
/* A feature's contribution is at most this: one broken field should not drown everything else, nor make a sum that is not finite. */
static const double CAP = 1e6;

typedef struct {
    double below, median, above;
} feature_t;

/* The loaded model. */
static struct {
    uint32_t width;
    double ignore;
    const feature_t *features;
} model;

static bool fail(error_t *error, uint8_t tag, const char *text) {
    error->tag = tag;
    plugin_string_dup(&error->val.data, text);
    return false;
}

void exports_synod_detector_detector_describe(exports_synod_detector_detector_description_t *description) {
    memset(description, 0, sizeof *description);
    plugin_string_dup(&description->name, "example-c");
    plugin_string_dup(&description->version, "1.0.0");
    plugin_string_dup(&description->summary, "Distances beyond the quartiles, each side by its own measure");
    plugin_string_dup(&description->parameters, PARAMETERS_SCHEMA);
    description->minimum_rows = 8;
    description->univariate = true;
    description->explains = true;
}

/*
 * What a function of the contract is given belongs to it, and is freed by it: a leak of sixteen kilobytes a call is soon the whole memory.
 * What it gives back is freed by the generated code. So each function below is a shell around one that does the work.
 */
void exports_synod_detector_detector_check(plugin_string_t *text, plugin_list_string_t *mistakes) {
    double ignore;
    const char *mistake = parse_parameters((const char *)text->ptr, text->len, &ignore);
    plugin_string_free(text);
    mistakes->len = mistake ? 1 : 0;
    mistakes->ptr = mistake ? malloc(sizeof *mistakes->ptr) : NULL;
    if (mistake) plugin_string_dup(mistakes->ptr, mistake);
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double or_one(double distance) { return distance > 0 ? distance : 1; }

/* Of sorted values. A side without a spread is measured in the feature's own units. */
static feature_t learn(const double *sorted, size_t count) {
    double median = sorted[count / 2], lower = sorted[count / 4], upper = sorted[count - 1 - count / 4];
    return (feature_t){or_one(median - lower), median, or_one(upper - median)};
}

static bool malformed(const matrix_t *rows) { return rows->width == 0 || rows->values.len % rows->width != 0; }

static bool fit(const exports_synod_detector_detector_training_t *training, plugin_list_u8_t *bytes, error_t *error) {
    double ignore;
    const char *mistake = parse_parameters((const char *)training->parameters.ptr, training->parameters.len, &ignore);
    if (mistake) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_PARAMETERS, mistake);
    if (malformed(&training->rows)) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_DATA, "the values do not make rows");
    size_t width = training->rows.width, count = training->rows.values.len / width;
    if (count < 8) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_DATA, "at least 8 rows are needed");

    double *column = malloc(count * sizeof *column);
    bytes->len = HEADER + width * FEATURE;
    bytes->ptr = malloc(bytes->len);
    if (!column || !bytes->ptr) __builtin_trap(); /* The host calls this what it is: no memory. */
    uint32_t head[2] = {FORMAT, (uint32_t)width};
    memcpy(bytes->ptr, head, sizeof head);
    memcpy(bytes->ptr + sizeof head, &ignore, sizeof ignore);
    for (size_t feature = 0; feature < width; feature++) {
        for (size_t row = 0; row < count; row++) column[row] = training->rows.values.ptr[row * width + feature];
        qsort(column, count, sizeof *column, ascending);
        feature_t learnt = learn(column, count);
        memcpy(bytes->ptr + HEADER + feature * FEATURE, &learnt, sizeof learnt);
    }
    free(column);
    return true;
}

bool exports_synod_detector_detector_fit(exports_synod_detector_detector_training_t *training, plugin_list_u8_t *bytes, error_t *error) {
    bool done = fit(training, bytes, error);
    exports_synod_detector_detector_training_free(training);
    return done;
}

bool exports_synod_detector_detector_merge(plugin_list_list_u8_t *parts, plugin_list_u8_t *bytes, error_t *error) {
    (void)bytes;
    plugin_list_list_u8_free(parts);
    error->tag = EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_UNSUPPORTED;
    return false;
}

/* A number beyond all that can be learnt is a damaged one. NaN fails both comparisons. */
static bool usable(double value) { return value > -1e300 && value < 1e300; }

static bool load(const plugin_list_u8_t *bytes, error_t *error) {
    uint32_t head[2];
    if (bytes->len < HEADER) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_MODEL, "the model is cut short");
    memcpy(head, bytes->ptr, sizeof head);
    if (head[0] != FORMAT) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_MODEL, "the model is of another format: fit it again");
    if (head[1] == 0 || (uint64_t)head[1] * FEATURE + HEADER != bytes->len)
        return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_MODEL, "the model does not have the length that it says");
    feature_t *features = malloc(head[1] * FEATURE);
    double ignore;
    if (!features) __builtin_trap();
    memcpy(&ignore, bytes->ptr + sizeof head, sizeof ignore);
    memcpy(features, bytes->ptr + HEADER, head[1] * FEATURE);
    for (uint32_t at = 0; at < head[1]; at++)
        if (!usable(features[at].median) || !(features[at].below > 0) || !(features[at].above > 0) || !(ignore >= 0))
            return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_MODEL, "the model holds numbers that no fit writes");
    model.width = head[1], model.ignore = ignore, model.features = features;
    return true;
}

bool exports_synod_detector_detector_load(plugin_list_u8_t *bytes, error_t *error) {
    bool done = load(bytes, error);
    plugin_list_u8_free(bytes);
    return done;
}

static double contribution(const feature_t *feature, double value) {
    double distance = value - feature->median;
    double beyond = (distance >= 0 ? distance / feature->above : -distance / feature->below) - model.ignore;
    /* Written so that what is no number comes out as the cap. */
    return beyond <= 0 ? 0 : (beyond < CAP ? beyond : CAP);
}

static bool scoreable(const matrix_t *rows, error_t *error) {
    if (!model.features) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_MODEL, "no model is loaded");
    if (malformed(rows)) return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_DATA, "the values do not make rows");
    if (rows->width != model.width)
        return fail(error, EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_DATA, "the rows do not have as many features as the model was fitted with");
    return true;
}

static double *numbers(plugin_list_f64_t *list, size_t count) {
    list->len = count;
    list->ptr = count ? malloc(count * sizeof(double)) : NULL;
    if (count && !list->ptr) __builtin_trap();
    return list->ptr;
}

static bool score_rows(const matrix_t *rows, plugin_list_f64_t *scores, error_t *error) {
    if (!scoreable(rows, error)) return false;
    size_t count = rows->values.len / model.width;
    const double *value = rows->values.ptr;
    double *score = numbers(scores, count);
    for (size_t row = 0; row < count; row++) {
        score[row] = 0;
        for (uint32_t feature = 0; feature < model.width; feature++) score[row] += contribution(&model.features[feature], *value++);
    }
    return true;
}

bool exports_synod_detector_detector_score(matrix_t *rows, plugin_list_f64_t *scores, error_t *error) {
    bool done = score_rows(rows, scores, error);
    exports_synod_detector_detector_matrix_free(rows);
    return done;
}

static bool explain_rows(const matrix_t *rows, exports_synod_detector_detector_explanation_t *explanation, error_t *error) {
    if (!scoreable(rows, error)) return false;
    double *part = numbers(&explanation->contributions, rows->values.len);
    explanation->base = 0;
    for (size_t at = 0; at < rows->values.len; at++) part[at] = contribution(&model.features[at % model.width], rows->values.ptr[at]);
    return true;
}

bool exports_synod_detector_detector_explain(matrix_t *rows, exports_synod_detector_detector_explanation_t *explanation, error_t *error) {
    bool done = explain_rows(rows, explanation, error);
    exports_synod_detector_detector_matrix_free(rows);
    return done;
}

bool exports_synod_detector_detector_export_onnx(plugin_list_u8_t *bytes, error_t *error) {
    (void)bytes;
    error->tag = EXPORTS_SYNOD_DETECTOR_DETECTOR_ERROR_UNSUPPORTED;
    return false;
}
