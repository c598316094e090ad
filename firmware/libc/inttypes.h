/* The part of the C library's <inttypes.h> that zcbor's sources ask for: the types. */
#ifndef LIBC_INTTYPES_H
#define LIBC_INTTYPES_H

#include <stdint.h>

#endif
