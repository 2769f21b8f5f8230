/* Prints the options of methods, as a .proto says it, on standard output. */
#ifndef TOOLS_MVCTL_MVCTL_RULE_H
#define TOOLS_MVCTL_MVCTL_RULE_H

#include "google/api/http.pb-c.h"
#include "mockvideo/method.pb-c.h"
#include "mockvideo/rest.pb-c.h"

/* The blanks before a line of a depth. */
void mvctl_rule_indent(int depth);

/* A string, in quotes. */
void mvctl_rule_string(const char *text);

/* The option google.api.http of a method. */
void mvctl_rule_http(const Google__Api__HttpRule *rule, int depth);

/* The header on which a method's bindings depend. */
void mvctl_rule_when(const Mockvideo__Rest__V1__HeaderCondition *when, int depth);

/* The option mockvideo.method.v1.traits of a method. */
void mvctl_rule_traits(const Mockvideo__Method__V1__MethodTraits *traits, int depth);

#endif
