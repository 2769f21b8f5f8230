/* Layout of JSON. */
#ifndef TOOLS_MVCTL_JSON_H
#define TOOLS_MVCTL_JSON_H

#include <stddef.h>
#include <stdio.h>

/* Prints JSON without white space outside of strings, a member or element a line. */
void mvctl_json_print(FILE *out, const char *json, size_t len);

#endif
