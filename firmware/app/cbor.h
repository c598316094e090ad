/* Reading a request's CBOR map (RFC 8949) with zcbor, safely for whatever comes from the air. */
#ifndef APP_CBOR_H
#define APP_CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zcbor_common.h"

enum cbor_type { CBOR_UNSIGNED, CBOR_BYTES, CBOR_TEXT, CBOR_BOOLEAN };

/* One key of interest, and where its value goes. */
struct cbor_field {
    const char *key;
    enum cbor_type type;
    void *value; /* uint32_t, struct zcbor_string, struct zcbor_string or bool */
    bool found;
};

/* Deepest nesting accepted. zcbor skips unknown values by recursion, so that depth is stack. */
#define CBOR_DEPTH_MAX 4

/* Whether `data` starts with one well-formed item of at most CBOR_DEPTH_MAX levels, no string of
 * indefinite length. */
bool cbor_is_sound(const uint8_t *data, size_t length);

/* Finds the fields in the map at `data`; keys may come in any order, unknown keys are skipped, a
 * null counts as not there, the last of equal keys wins. No data is an empty map. Strings point
 * into `data`. Returns false where this is no map or a field is of another type. */
bool cbor_read_map(const uint8_t *data, size_t length, struct cbor_field *fields, size_t count);

#endif
