#include "cbor.h"

#include <string.h>

#include "zcbor_decode.h"

#define MAJOR_BYTES 2
#define MAJOR_TEXT 3
#define MAJOR_ARRAY 4
#define MAJOR_MAP 5
#define MAJOR_TAG 6
#define MAJOR_SIMPLE 7
#define INDEFINITE 31
#define BREAK 0xFF
#define UNTIL_BREAK UINT32_MAX

/* Reads the argument of the item head at `*at`. Returns false where it does not fit. */
static bool argument(const uint8_t *data, size_t length, size_t *at, uint8_t info,
                     uint64_t *value) {
    size_t bytes;

    if (info < 24) {
        *value = info;
        return true;
    }
    if (info > 27) {
        return false;
    }
    bytes = (size_t)1 << (info - 24);
    if (bytes > length - *at) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < bytes; i++) {
        *value = *value << 8 | data[(*at)++];
    }
    return true;
}

bool cbor_is_sound(const uint8_t *data, size_t length) {
    uint32_t left[CBOR_DEPTH_MAX + 1]; /* items still to come at each level */
    size_t depth = 0;
    size_t at = 0;

    left[0] = 1;
    for (;;) {
        uint64_t value = 0;
        uint8_t major;
        uint8_t info;

        while (left[depth] == 0) {
            if (depth == 0) {
                return true;
            }
            depth--;
        }
        if (at >= length) {
            return false;
        }
        if (data[at] == BREAK) {
            if (left[depth] != UNTIL_BREAK) {
                return false;
            }
            at++;
            left[depth] = 0;
            continue;
        }
        major = data[at] >> 5;
        info = data[at] & 31;
        at++;
        if (info == INDEFINITE) {
            if (major != MAJOR_ARRAY && major != MAJOR_MAP) {
                return false;
            }
        } else if (!argument(data, length, &at, info, &value)) {
            return false;
        }
        if (major == MAJOR_TAG) {
            continue; /* the item it belongs to follows and is the one counted */
        }
        if (left[depth] != UNTIL_BREAK) {
            left[depth]--;
        }
        if (major == MAJOR_BYTES || major == MAJOR_TEXT) {
            if (value > length - at) {
                return false;
            }
            at += (size_t)value;
        } else if (major == MAJOR_ARRAY || major == MAJOR_MAP) {
            if (depth == CBOR_DEPTH_MAX || value > length - at) {
                return false; /* every item takes at least a byte */
            }
            depth++;
            left[depth] =
                info == INDEFINITE ? UNTIL_BREAK : (uint32_t)value * (major == MAJOR_MAP ? 2u : 1u);
        }
    }
}

static struct cbor_field *find(struct cbor_field *fields, size_t count,
                               const struct zcbor_string *key) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(fields[i].key) == key->len && memcmp(fields[i].key, key->value, key->len) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool read_value(zcbor_state_t *state, struct cbor_field *field) {
    field->found = true;
    switch (field->type) {
    case CBOR_UNSIGNED:
        return zcbor_uint32_decode(state, field->value);
    case CBOR_BYTES:
        return zcbor_bstr_decode(state, field->value);
    case CBOR_TEXT:
        return zcbor_tstr_decode(state, field->value);
    case CBOR_BOOLEAN:
        return zcbor_bool_decode(state, field->value);
    }
    return false;
}

static bool read_entry(zcbor_state_t *state, struct cbor_field *fields, size_t count) {
    struct zcbor_string key;
    struct cbor_field *field = NULL;

    if (zcbor_tstr_decode(state, &key)) {
        field = find(fields, count, &key);
    } else if (!zcbor_any_skip(state, NULL)) {
        return false;
    }
    if (field == NULL || zcbor_nil_expect(state, NULL)) {
        return field != NULL || zcbor_any_skip(state, NULL);
    }
    return read_value(state, field);
}

bool cbor_read_map(const uint8_t *data, size_t length, struct cbor_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++) {
        fields[i].found = false;
    }
    if (length == 0) {
        return true;
    }
    if (!cbor_is_sound(data, length)) {
        return false;
    }
    ZCBOR_STATE_D(state, 2, data, length, 1, 0);
    if (!zcbor_map_start_decode(state)) {
        return false;
    }
    while (!zcbor_array_at_end(state)) {
        if (!read_entry(state, fields, count)) {
            return false;
        }
    }
    return zcbor_map_end_decode(state);
}
