/* A toy with every field set, of the generated type. */
#ifndef TESTS_TOY_TOY_SAMPLE_H
#define TESTS_TOY_TOY_SAMPLE_H

#include "toy/toy.pb-c.h"

/* Borrowed; static and never changed. */
const Toy__V1__Toy *toy_sample(void);

/* Packed by the generated code. The caller frees it. */
uint8_t *toy_pack(const Toy__V1__Toy *toy, size_t *len);

#endif
