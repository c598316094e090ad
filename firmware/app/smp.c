#include "smp.h"

#include <string.h>

#include "test_build.h"
#include "upload.h"

/* Header, big-endian: operation and version, flags, length (2), group (2), sequence, command. */
#define OPERATION_MASK 0x07
#define VERSION_SHIFT 3
#define VERSION_MASK 0x03
#define VERSION_2 1
#define RESPONSE 1 /* added to the request's operation */

static uint16_t get_be16(const uint8_t *from) {
    return (uint16_t)((uint16_t)from[0] << 8 | from[1]);
}

static smp_handler find_group(uint16_t group) {
    switch (group) {
    case SMP_GROUP_OS:
        return smp_os_handle;
    case SMP_GROUP_IMAGE:
        return smp_image_handle;
    case SMP_GROUP_BASIC:
        return smp_basic_handle;
    default:
        return NULL;
    }
}

/* Version 1 knows only the protocol's codes: the groups' are translated to the nearest, as Zephyr's
 * groups do. */
static uint16_t version_1_code(const struct smp_error *error) {
    if (error->kind == SMP_PROTOCOL) {
        return error->code;
    }
    if (error->group == SMP_GROUP_DEVICE) {
        return SMP_ERROR_BAD_STATE;
    }
    if (error->group == SMP_GROUP_OS) {
        return error->code == OS_ERROR_QUERY_YIELDS_NO_ANSWER ? SMP_ERROR_NO_ENTRY
                                                              : SMP_ERROR_UNKNOWN;
    }
    switch (error->code) {
    case IMAGE_ERROR_HASH_NOT_FOUND:
        return SMP_ERROR_NO_ENTRY;
    case IMAGE_ERROR_NO_FREE_SLOT:
    case IMAGE_ERROR_CURRENT_VERSION_IS_NEWER:
    case IMAGE_ERROR_ALREADY_PENDING:
    case IMAGE_ERROR_CONFIRMATION_DENIED:
    case IMAGE_ERROR_TEST_TO_ACTIVE_DENIED:
        return SMP_ERROR_BAD_STATE;
    case IMAGE_ERROR_INVALID_SLOT:
    case IMAGE_ERROR_INVALID_OFFSET:
    case IMAGE_ERROR_INVALID_LENGTH:
    case IMAGE_ERROR_INVALID_HEADER:
    case IMAGE_ERROR_INVALID_HEADER_MAGIC:
    case IMAGE_ERROR_INVALID_HASH:
    case IMAGE_ERROR_TOO_LARGE:
    case IMAGE_ERROR_DATA_OVERRUN:
        return SMP_ERROR_INVALID;
    default:
        return SMP_ERROR_UNKNOWN;
    }
}

static bool put_error(zcbor_state_t *out, const struct smp_error *error, uint8_t version) {
    if (version == 0 || error->kind == SMP_PROTOCOL) {
        return zcbor_tstr_put_lit(out, "rc") && zcbor_uint32_put(out, version_1_code(error));
    }
    return zcbor_tstr_put_lit(out, "err") && zcbor_map_start_encode(out, 2) &&
           zcbor_tstr_put_lit(out, "group") && zcbor_uint32_put(out, error->group) &&
           zcbor_tstr_put_lit(out, "rc") && zcbor_uint32_put(out, error->code) &&
           zcbor_map_end_encode(out, 2);
}

static size_t finish(const uint8_t *header, uint8_t version, size_t payload, uint8_t *answer) {
    memcpy(answer, header, SMP_HEADER);
    answer[0] = (uint8_t)(((header[0] & OPERATION_MASK) + RESPONSE) | version << VERSION_SHIFT);
    answer[1] = 0;
    answer[2] = (uint8_t)(payload >> 8);
    answer[3] = (uint8_t)payload;
    return SMP_HEADER + payload;
}

static size_t refuse(const uint8_t *header, uint8_t version, const struct smp_error *error,
                     uint8_t *answer, size_t room) {
    ZCBOR_STATE_E(out, 3, &answer[SMP_HEADER], room - SMP_HEADER, 0);

    if (!zcbor_map_start_encode(out, 2) || !put_error(out, error, version) ||
        !zcbor_map_end_encode(out, 2)) {
        return 0;
    }
    return finish(header, version, (size_t)(out->payload - &answer[SMP_HEADER]), answer);
}

static bool is_request(const uint8_t *header) {
    uint8_t operation = header[0] & OPERATION_MASK;

    return operation == SMP_READ || operation == SMP_WRITE;
}

static uint8_t version_of(const uint8_t *header) {
    return (header[0] >> VERSION_SHIFT) & VERSION_MASK;
}

size_t smp_message_length(const uint8_t header[SMP_HEADER]) {
    return SMP_HEADER + get_be16(&header[2]);
}

size_t smp_process(const uint8_t *message, size_t length, uint8_t *answer, size_t room,
                   bool *again) {
    uint8_t version;
    smp_handler handler;
    struct smp_request request;
    struct smp_error error;

    *again = false;
    if (length < SMP_HEADER || length != smp_message_length(message) || room < SMP_ANSWER_SIZE ||
        !is_request(message)) {
        return 0; /* a response, or no operation at all: nothing to answer */
    }
    version = version_of(message);
    if (version > VERSION_2) {
        error = smp_protocol_error(SMP_ERROR_TOO_NEW);
        return refuse(message, VERSION_2, &error, answer, room);
    }
    request = (struct smp_request){
        .operation = message[0] & OPERATION_MASK,
        .command = message[7],
        .payload = &message[SMP_HEADER],
        .payload_length = length - SMP_HEADER,
    };
    handler = find_group(get_be16(&message[4]));
    if (handler == NULL) {
#ifdef HIL_DEFECT_ASSERTION
        __builtin_trap();
#endif
        error = smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
        return refuse(message, version, &error, answer, room);
    }
    ZCBOR_STATE_E(out, 3, &answer[SMP_HEADER], room - SMP_HEADER, 0);
    if (!zcbor_map_start_encode(out, 16)) {
        return 0;
    }
    error = handler(&request, out);
    if (error.kind == SMP_AGAIN) {
        *again = true;
        return 0;
    }
    if (error.kind == SMP_OK && !zcbor_map_end_encode(out, 16)) {
        error = smp_protocol_error(SMP_ERROR_MESSAGE_SIZE);
    }
    if (error.kind != SMP_OK) {
        return refuse(message, version, &error, answer, room);
    }
    return finish(message, version, (size_t)(out->payload - &answer[SMP_HEADER]), answer);
}

void smp_abandon(void) {
    upload_abandon(); /* its requests are the ones that take more than a call */
}

size_t smp_refuse_size(const uint8_t header[SMP_HEADER], uint8_t *answer, size_t room) {
    struct smp_error error = smp_protocol_error(SMP_ERROR_MESSAGE_SIZE);

    if (!is_request(header) || version_of(header) > VERSION_2) {
        return 0;
    }
    return refuse(header, version_of(header), &error, answer, room);
}
