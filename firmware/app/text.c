#include "text.h"

char *text_decimal(char *to, uint32_t value) {
    char digits[TEXT_NUMBER_MAX];
    uint32_t count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        *to++ = digits[--count];
    }
    *to = '\0';
    return to;
}

char *text_hexadecimal(char *to, uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) {
        *to++ = "0123456789abcdef"[(value >> shift) & 15];
    }
    *to = '\0';
    return to;
}

char *text_version(char *to, const struct boot_version *version) {
    to = text_decimal(to, version->major);
    *to++ = '.';
    to = text_decimal(to, version->minor);
    *to++ = '.';
    to = text_decimal(to, version->revision);
    if (version->build != 0) {
        *to++ = '.';
        to = text_decimal(to, version->build);
    }
    return to;
}
