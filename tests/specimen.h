/* For tests: the resource of tests/toy/specimen.proto, with a column of each type and every rule. */
#ifndef TESTS_SPECIMEN_H
#define TESTS_SPECIMEN_H

#include "common/resource/resource_job.h"
#include "toy/specimen.pb-c.h"

extern const struct resource specimen_resource;

/* Its tables, each statement ending with ";\n", by enum sql_dialect. */
extern const char *const specimen_tables[];

/* Binds a method of each action. */
enum status_code specimen_bind_methods(struct resource_bound *bound,
    struct resource_method methods[RESOURCE_ACTIONS], struct error *error);

/* A specimen with these texts and zero for the rest. Strings are borrowed. */
Specimen__V1__Specimen specimen_named(const char *name, const char *kind);

#endif
