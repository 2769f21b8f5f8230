/* The version of all programs and of the client library. */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#define MOCKVIDEO_VERSION "0.1.0"

#endif
