/* What a process's admin port says, for tests. */
#ifndef INTEGRATION_SCRAPE_H
#define INTEGRATION_SCRAPE_H

#include "integration/http.h"

/* All metrics as they are now, NUL-terminated; fails the test when they can't be had. */
const char *scrape(struct http *admin);

/*
 * The value of a series, by its name with its labels, in a new scrape. 0 where
 * there is none yet; fails the test when there is no metric of that name.
 */
double scrape_value(struct http *admin, const char *series);

/* Waits until the series has the value; fails the test after 30 s. */
void scrape_await(struct http *admin, const char *series, double value);

/* Waits until GET /readyz is answered with status and text; fails the test after 30 s. */
void scrape_await_ready(struct http *admin, int status, const char *text);

/* Fails the test unless promtool finds the metrics valid; false when there is no promtool. */
bool scrape_check(struct http *admin);

#endif
