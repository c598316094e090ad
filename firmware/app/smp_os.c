/* The os management group: echo, reset, parameters, bootloader information. */
#include "cbor.h"
#include "smp.h"

#define ECHO 0
#define RESET 5
#define PARAMETERS 6
#define BOOTLOADER_INFORMATION 8

#define MODE_SWAP_USING_OFFSET 9 /* MCUboot bootutil/boot_status.h, enum mcuboot_mode */

static bool reset_wanted;

static struct smp_error answered(bool encoded) {
    return encoded ? smp_ok() : smp_protocol_error(SMP_ERROR_MESSAGE_SIZE);
}

static struct smp_error echo(const struct smp_request *request, zcbor_state_t *out) {
    struct zcbor_string text;
    struct cbor_field fields[] = {{"d", CBOR_TEXT, &text, false}};

    if (!cbor_read_map(request->payload, request->payload_length, fields, 1) || !fields[0].found) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    return answered(zcbor_tstr_put_lit(out, "r") && zcbor_tstr_encode(out, &text));
}

static struct smp_error reset(const struct smp_request *request) {
    if (!cbor_read_map(request->payload, request->payload_length, NULL, 0)) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    reset_wanted = true;
    return smp_ok();
}

static struct smp_error parameters(zcbor_state_t *out) {
    return answered(zcbor_tstr_put_lit(out, "buf_size") && zcbor_uint32_put(out, SMP_BUFFER_SIZE) &&
                    zcbor_tstr_put_lit(out, "buf_count") &&
                    zcbor_uint32_put(out, SMP_BUFFER_COUNT));
}

static bool is_mode(const struct zcbor_string *query) {
    return query->len == 4 && query->value[0] == 'm' && query->value[1] == 'o' &&
           query->value[2] == 'd' && query->value[3] == 'e';
}

/* The name is the contract clients know: MCUboot's image format, trailers and swap by offset. */
static struct smp_error bootloader_information(const struct smp_request *request,
                                               zcbor_state_t *out) {
    struct zcbor_string query;
    struct cbor_field fields[] = {{"query", CBOR_TEXT, &query, false}};

    if (!cbor_read_map(request->payload, request->payload_length, fields, 1)) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    if (!fields[0].found) {
        return answered(zcbor_tstr_put_lit(out, "bootloader") &&
                        zcbor_tstr_put_lit(out, "MCUboot"));
    }
    if (!is_mode(&query)) {
        return smp_group_error(SMP_GROUP_OS, OS_ERROR_QUERY_YIELDS_NO_ANSWER);
    }
    return answered(zcbor_tstr_put_lit(out, "mode") &&
                    zcbor_uint32_put(out, MODE_SWAP_USING_OFFSET) &&
                    zcbor_tstr_put_lit(out, "no-downgrade") && zcbor_bool_put(out, true));
}

struct smp_error smp_os_handle(const struct smp_request *request, zcbor_state_t *out) {
    switch (request->command) {
    case ECHO: /* older clients read, newer ones write */
        return echo(request, out);
    case RESET:
        return request->operation == SMP_WRITE ? reset(request)
                                               : smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    case PARAMETERS:
        return request->operation == SMP_READ ? parameters(out)
                                              : smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    case BOOTLOADER_INFORMATION:
        return request->operation == SMP_READ ? bootloader_information(request, out)
                                              : smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    default:
        return smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    }
}

bool smp_reset_wanted(void) {
    return reset_wanted;
}
