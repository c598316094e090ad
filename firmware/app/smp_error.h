/* Errors of SMP answers (Zephyr documentation, "MCUmgr SMP protocol specification" and the groups'
 * pages). */
#ifndef APP_SMP_ERROR_H
#define APP_SMP_ERROR_H

#include <stdint.h>

/* Groups. */
#define SMP_GROUP_OS 0
#define SMP_GROUP_IMAGE 1
#define SMP_GROUP_BASIC 63  /* Zephyr's own, the last before the products' */
#define SMP_GROUP_DEVICE 64 /* the first for a product's own: what only this device can mean */

/* Codes of the protocol itself, given as "rc". */
#define SMP_ERROR_UNKNOWN 1
#define SMP_ERROR_NO_MEMORY 2
#define SMP_ERROR_INVALID 3
#define SMP_ERROR_NO_ENTRY 5
#define SMP_ERROR_BAD_STATE 6
#define SMP_ERROR_MESSAGE_SIZE 7
#define SMP_ERROR_NOT_SUPPORTED 8
#define SMP_ERROR_BUSY 10
#define SMP_ERROR_TOO_NEW 13

/* Codes of the os group. */
#define OS_ERROR_QUERY_YIELDS_NO_ANSWER 3

/* Codes of the image group. */
#define IMAGE_ERROR_HASH_NOT_FOUND 8
#define IMAGE_ERROR_NO_FREE_SLOT 9
#define IMAGE_ERROR_WRITE_FAILED 12
#define IMAGE_ERROR_ERASE_FAILED 13
#define IMAGE_ERROR_INVALID_SLOT 14
#define IMAGE_ERROR_INVALID_OFFSET 20
#define IMAGE_ERROR_INVALID_LENGTH 21
#define IMAGE_ERROR_INVALID_HEADER 22
#define IMAGE_ERROR_INVALID_HEADER_MAGIC 23
#define IMAGE_ERROR_INVALID_HASH 24
#define IMAGE_ERROR_CURRENT_VERSION_IS_NEWER 27
#define IMAGE_ERROR_ALREADY_PENDING 28
#define IMAGE_ERROR_TOO_LARGE 30
#define IMAGE_ERROR_DATA_OVERRUN 31
#define IMAGE_ERROR_CONFIRMATION_DENIED 32
#define IMAGE_ERROR_TEST_TO_ACTIVE_DENIED 33

/* Codes of the device group. */
#define DEVICE_ERROR_BATTERY_LOW 2 /* below the upload minimum */
#define DEVICE_ERROR_SUPPLY_LOW                                                                    \
    3 /* the supply warns of a power failure: nothing is written until it recovers */

enum smp_error_kind {
    SMP_OK,
    SMP_PROTOCOL, /* `code` is the protocol's own */
    SMP_GROUP,    /* `code` belongs to `group` */
    SMP_AGAIN,    /* no error: call again with the same request, there is more to do */
};

struct smp_error {
    enum smp_error_kind kind;
    uint16_t group;
    uint16_t code;
};

static inline struct smp_error smp_ok(void) {
    return (struct smp_error){SMP_OK, 0, 0};
}

static inline struct smp_error smp_protocol_error(uint16_t code) {
    return (struct smp_error){SMP_PROTOCOL, 0, code};
}

static inline struct smp_error smp_group_error(uint16_t group, uint16_t code) {
    return (struct smp_error){SMP_GROUP, group, code};
}

#endif
