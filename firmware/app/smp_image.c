/* The image management group: state of the slots, upload, erase. */
#include <string.h>

#include "cbor.h"
#include "flash_map.h"
#include "slots.h"
#include "smp.h"
#include "soc/flash.h"
#include "test_build.h"
#include "text.h"
#include "upload.h"

#define STATE 0
#define UPLOAD 1
#define ERASE 5

static struct smp_error image_error(uint16_t code) {
    return smp_group_error(SMP_GROUP_IMAGE, code);
}

static struct smp_error written(enum flash_result result) {
    if (result == FLASH_OK) {
        return smp_ok();
    }
    return result == FLASH_POWER_LOW ? smp_group_error(SMP_GROUP_DEVICE, DEVICE_ERROR_SUPPLY_LOW)
                                     : image_error(IMAGE_ERROR_WRITE_FAILED);
}

static bool put_flag(zcbor_state_t *out, const char *name, bool value) {
    return zcbor_tstr_put_term(out, name, 16) && zcbor_bool_put(out, value);
}

static bool put_slot(zcbor_state_t *out, uint32_t slot) {
    enum slot_swap swap = slot_next_swap();
    bool pending = slot == 1 && (swap == SLOT_SWAP_TEST || swap == SLOT_SWAP_PERMANENT);
    struct slot_image image;
    char version[TEXT_VERSION_MAX];

    if (!slot_read(slot, &image)) {
        return true; /* an empty slot is not listed */
    }
    text_version(version, &image.version);
    return zcbor_map_start_encode(out, 10) && zcbor_tstr_put_lit(out, "image") &&
           zcbor_uint32_put(out, 0) && zcbor_tstr_put_lit(out, "slot") &&
           zcbor_uint32_put(out, slot) && zcbor_tstr_put_lit(out, "version") &&
           zcbor_tstr_put_term(out, version, sizeof(version)) &&
           (!image.has_hash || (zcbor_tstr_put_lit(out, "hash") &&
                                zcbor_bstr_encode_ptr(out, (const char *)image.hash, 32))) &&
           put_flag(out, "bootable", image.bootable) && put_flag(out, "pending", pending) &&
           /* While a test runs, what is confirmed is the image to go back to. */
           put_flag(out, "confirmed", (slot == 0) == (swap != SLOT_SWAP_REVERT) && !pending) &&
           put_flag(out, "active", slot == 0) &&
           put_flag(out, "permanent", pending && swap == SLOT_SWAP_PERMANENT) &&
           zcbor_map_end_encode(out, 10);
}

static struct smp_error put_state(zcbor_state_t *out) {
    bool encoded = zcbor_tstr_put_lit(out, "images") && zcbor_list_start_encode(out, SLOTS);

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        encoded = encoded && put_slot(out, slot);
    }
    return encoded && zcbor_list_end_encode(out, SLOTS)
               ? smp_ok()
               : smp_protocol_error(SMP_ERROR_MESSAGE_SIZE);
}

static struct smp_error confirm_running(void) {
    enum slot_swap swap = slot_next_swap();

    if (swap == SLOT_SWAP_TEST || swap == SLOT_SWAP_PERMANENT) {
        return image_error(IMAGE_ERROR_ALREADY_PENDING);
    }
    return written(slot_confirm());
}

static struct smp_error mark_update(bool permanent) {
    switch (slot_next_swap()) {
    case SLOT_SWAP_REVERT:
        return image_error(IMAGE_ERROR_CONFIRMATION_DENIED); /* it is the image to go back to */
    case SLOT_SWAP_PERMANENT:
        return permanent ? smp_ok() : image_error(IMAGE_ERROR_ALREADY_PENDING);
    default:
        return written(slot_set_pending(permanent));
    }
}

static struct smp_error set_state(const struct smp_request *request) {
    struct zcbor_string hash = {NULL, 0};
    bool confirm = false;
    struct slot_image image;
    struct cbor_field fields[] = {
        {"hash", CBOR_BYTES, &hash, false},
        {"confirm", CBOR_BOOLEAN, &confirm, false},
    };

    if (!cbor_read_map(request->payload, request->payload_length, fields, 2)) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    if (hash.len == 0) {
        return confirm ? confirm_running() : image_error(IMAGE_ERROR_INVALID_HASH);
    }
    if (hash.len != sizeof(image.hash)) {
        return image_error(IMAGE_ERROR_INVALID_HASH);
    }
    if (upload_is_erasing()) {
        return smp_protocol_error(SMP_ERROR_BUSY);
    }
    if (slot_read(0, &image) && image.has_hash && memcmp(image.hash, hash.value, hash.len) == 0) {
        return confirm ? confirm_running() : image_error(IMAGE_ERROR_TEST_TO_ACTIVE_DENIED);
    }
    if (slot_read(1, &image) && image.has_hash && memcmp(image.hash, hash.value, hash.len) == 0) {
        return mark_update(confirm);
    }
    return image_error(IMAGE_ERROR_HASH_NOT_FOUND);
}

static struct smp_error upload(const struct smp_request *request, zcbor_state_t *out) {
    struct zcbor_string data = {NULL, 0};
    struct zcbor_string sha = {NULL, 0};
    struct upload_request chunk = {.offset = UPLOAD_NOT_GIVEN, .length = UPLOAD_NOT_GIVEN};
    struct upload_answer answer;
    struct smp_error error;
    struct cbor_field fields[] = {
        {"off", CBOR_UNSIGNED, &chunk.offset, false},
        {"len", CBOR_UNSIGNED, &chunk.length, false},
        {"image", CBOR_UNSIGNED, &chunk.image, false},
        {"upgrade", CBOR_BOOLEAN, &chunk.upgrade, false},
        {"data", CBOR_BYTES, &data, false},
        {"sha", CBOR_BYTES, &sha, false},
    };

    if (!cbor_read_map(request->payload, request->payload_length, fields,
                       sizeof(fields) / sizeof(fields[0]))) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    chunk.data = data.value;
    chunk.data_length = (uint32_t)data.len;
    chunk.sha = sha.value;
    chunk.sha_length = (uint32_t)sha.len;
    error = upload_chunk(&chunk, &answer);
    if (error.kind != SMP_OK) {
        return error;
    }
    return zcbor_tstr_put_lit(out, "off") && zcbor_uint32_put(out, answer.offset) &&
                   (!answer.checked || put_flag(out, "match", answer.match))
               ? smp_ok()
               : smp_protocol_error(SMP_ERROR_MESSAGE_SIZE);
}

static struct smp_error erase(const struct smp_request *request) {
    uint32_t slot = 1;
    struct cbor_field fields[] = {{"slot", CBOR_UNSIGNED, &slot, false}};
    struct smp_error error;
    bool done;

    if (!cbor_read_map(request->payload, request->payload_length, fields, 1)) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
#ifdef HIL_DEFECT_RUNNING
    if (slot == 0) {
        return written(flash_erase_page(FLASH_MAP_PRIMARY_START));
    }
#endif
    if (slot != 1) {
        return image_error(slot == 0 ? IMAGE_ERROR_NO_FREE_SLOT : IMAGE_ERROR_INVALID_SLOT);
    }
    error = upload_erase(&done);
    if (error.kind == SMP_OK && !done) {
        error.kind = SMP_AGAIN;
    }
    return error;
}

struct smp_error smp_image_handle(const struct smp_request *request, zcbor_state_t *out) {
    bool write = request->operation == SMP_WRITE;

    switch (request->command) {
    case STATE:
        if (write) {
            struct smp_error error = set_state(request);

            if (error.kind != SMP_OK) {
                return error;
            }
        }
        return put_state(out);
    case UPLOAD:
        return write ? upload(request, out) : smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    case ERASE:
        return write ? erase(request) : smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    default:
        return smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    }
}
