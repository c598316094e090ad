#include "boot/der.h"

#include <string.h>

#define TAG_SEQUENCE 0x30u
#define TAG_INTEGER 0x02u
#define NUMBER_SIZE 32u

/* Reads one positive INTEGER at *at and moves *at behind it. */
static bool read_integer(const uint8_t *der, uint32_t end, uint32_t *at,
                         uint8_t number[NUMBER_SIZE]) {
    if (end - *at < 3u || der[*at] != TAG_INTEGER) {
        return false;
    }
    uint32_t length = der[*at + 1u];
    const uint8_t *value = &der[*at + 2u];
    if (length == 0u || length > NUMBER_SIZE + 1u || length > end - *at - 2u) {
        return false;
    }
    *at += 2u + length;
    if ((value[0] & 0x80u) != 0u) {
        return false; /* negative */
    }
    if (value[0] == 0u && length > 1u) {
        if ((value[1] & 0x80u) == 0u) {
            return false; /* a zero that is not needed */
        }
        value++;
        length--;
    }
    if (length > NUMBER_SIZE) {
        return false;
    }
    (void)memset(number, 0, NUMBER_SIZE);
    (void)memcpy(&number[NUMBER_SIZE - length], value, length);
    return true;
}

bool der_read_ecdsa(const uint8_t *der, uint32_t length, uint8_t signature[64]) {
    if (length < 2u || der[0] != TAG_SEQUENCE || der[1] >= 0x80u || der[1] > length - 2u) {
        return false;
    }
    const uint32_t end = 2u + der[1];
    uint32_t at = 2u;
    if (!read_integer(der, end, &at, &signature[0]) ||
        !read_integer(der, end, &at, &signature[NUMBER_SIZE]) || at != end) {
        return false;
    }
    for (; at < length; at++) {
        if (der[at] != 0u) {
            return false;
        }
    }
    return true;
}
