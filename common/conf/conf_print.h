/*
 * What a program prints about its configuration. Inside of conf.
 */
#ifndef COMMON_CONF_PRINT_H
#define COMMON_CONF_PRINT_H

#include <stdio.h>

struct conf_program;
struct conf_value;

void conf_print_help(const struct conf_program *program, FILE *out);

/*
 * Prints values as a file that could be read again, each below a comment that
 * says where it came from. Secrets are printed as "(set)" or "(not set)".
 */
void conf_print_values(
    const struct conf_program *program, const struct conf_value *values, FILE *out);

#endif
