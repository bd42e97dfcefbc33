#include "parameters.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is left of the text. */
typedef struct {
    const char *at, *end;
} rest_t;

static void skip_blanks(rest_t *rest) {
    while (rest->at < rest->end && strchr(" \t\r\n", *rest->at) && *rest->at) rest->at++;
}

static bool take(rest_t *rest, const char *token) {
    size_t length = strlen(token);
    skip_blanks(rest);
    if ((size_t)(rest->end - rest->at) < length || memcmp(rest->at, token, length) != 0) return false;
    rest->at += length;
    return true;
}

/* A JSON number of at most 63 characters, and none of what else strtod takes: infinities, hexadecimal digits. */
static bool take_number(rest_t *rest, double *number) {
    char digits[64], *parsed;
    size_t length = 0;
    skip_blanks(rest);
    while (rest->at < rest->end && length < sizeof digits - 1 && *rest->at && strchr("+-.eE0123456789", *rest->at))
        digits[length++] = *rest->at++;
    digits[length] = 0;
    *number = strtod(digits, &parsed);
    return length > 0 && digits[0] != '+' && digits[0] != '.' && parsed == digits + length;
}

/* What is said of a parameter that there is not, with its name as far as it is short and plain. */
static const char *unknown(rest_t *rest) {
    static char message[128];
    const char *end = "`: the only parameter is `ignore`";
    size_t length = strlen(strcpy(message, "unknown parameter `"));
    take(rest, "\"");
    while (rest->at < rest->end && *rest->at != '"' && *rest->at >= ' ' && *rest->at <= '~' && length < sizeof message - 40)
        message[length++] = *rest->at++;
    strcpy(message + length, end);
    return message;
}

const char *parse_parameters(const char *text, size_t length, double *ignore) {
    rest_t rest = {text, text + length};
    *ignore = 1;
    if (!take(&rest, "{")) return "the parameters must be a JSON object";
    if (!take(&rest, "}")) {
        if (!take(&rest, "\"ignore\"")) return unknown(&rest);
        if (!take(&rest, ":") || !take_number(&rest, ignore)) return "ignore: must be a number";
        if (!take(&rest, "}")) return "ignore: must be a number, and is the only parameter";
    }
    skip_blanks(&rest);
    if (rest.at != rest.end) return "the parameters must be one JSON object";
    return *ignore >= 0 && *ignore <= 1000 ? NULL : "ignore: must be 0 to 1000";
}
