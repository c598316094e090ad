/* The memory and string functions that the compiler and the firmware call. */
#include <string.h>

#include <stdbool.h>
#include <stdint.h>

static bool both_aligned(const void *left, const void *right) {
    return ((((uintptr_t)left) | ((uintptr_t)right)) & 3u) == 0u;
}

void *memcpy(void *restrict destination, const void *restrict source, size_t length) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    if (both_aligned(to, from)) {
        for (; length >= 4u; length -= 4u, to += 4, from += 4) {
            *(volatile uint32_t *)(void *)to = *(const volatile uint32_t *)(const void *)from;
        }
    }
    while (length-- > 0u) {
        *(volatile uint8_t *)to++ = *from++;
    }
    return destination;
}

void *memmove(void *destination, const void *source, size_t length) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    if (to < from) {
        while (length-- > 0u) {
            *(volatile uint8_t *)to++ = *from++;
        }
    } else {
        while (length-- > 0u) {
            *(volatile uint8_t *)(to + length) = from[length];
        }
    }
    return destination;
}

void *memset(void *destination, int value, size_t length) {
    uint8_t *to = destination;
    const uint8_t byte = (uint8_t)value;
    const uint32_t word = byte * 0x01010101u;
    while (length > 0u && (((uintptr_t)to) & 3u) != 0u) {
        *(volatile uint8_t *)to++ = byte;
        length--;
    }
    for (; length >= 4u; length -= 4u, to += 4) {
        *(volatile uint32_t *)(void *)to = word;
    }
    while (length-- > 0u) {
        *(volatile uint8_t *)to++ = byte;
    }
    return destination;
}

int memcmp(const void *left, const void *right, size_t length) {
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (size_t i = 0; i < length; i++) {
        if (a[i] != b[i]) {
            return (a[i] < b[i]) ? -1 : 1;
        }
    }
    return 0;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (left[i] != right[i]) {
            return ((uint8_t)left[i] < (uint8_t)right[i]) ? -1 : 1;
        }
        if (left[i] == '\0') {
            break;
        }
    }
    return 0;
}

int strcmp(const char *left, const char *right) {
    return strncmp(left, right, SIZE_MAX);
}
