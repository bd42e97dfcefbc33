/*
 * The parameters: one number. A detector of more of them would take a JSON library; for one this is enough, and strict.
 */
#ifndef PARAMETERS_H
#define PARAMETERS_H

#include <stddef.h>

#define PARAMETERS_SCHEMA \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"ignore\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1000," \
    "\"default\":1,\"description\":\"Distances up to this count nothing: 1 is the way from the median to the quartile.\"}}}"

/* Reads a JSON object. Returns what is wrong with it, or NULL. */
const char *parse_parameters(const char *text, size_t length, double *ignore);

#endif
