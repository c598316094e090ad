#include "upload.h"

#include <string.h>

#include "battery.h"
#include "ble/endian.h"
#include "crypto/crypto.h"
#include "flash_map.h"
#include "resume.h"
#include "slots.h"
#include "soc/time.h"
#include "test_build.h"

#define HEADER_SIZE 32u
#define HEADER_MAGIC 0x96F3B83Du
#define HEADER_VERSION 20u
#define BASE (FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_UPDATE_OFFSET)
#define TRAILER_PAGE (FLASH_MAP_SECONDARY_START + FLASH_MAP_SECONDARY_SIZE - FLASH_MAP_PAGE_SIZE)
#define NO_PAGE UINT32_MAX
#define STAGE_SIZE 256u

static struct {
    bool active;
    uint32_t image;
    uint32_t length;
    uint32_t offset;
    uint32_t prepared;   /* pages that are erased, or written, from the first on */
    uint32_t sha_length; /* 0, or up to 32 */
    uint8_t sha[32];     /* zeros behind a shorter one */
    uint8_t tail[4];     /* the last bytes received where they do not fill a word */
} state;

/* A power cut may have stopped an erase somewhere in the slot, and cells left near the threshold
 * read erased now and otherwise later. Holds, over resets too, until the whole slot has been
 * erased. */
static bool distrust;

/* What the record says while the slot is changed by what cannot be resumed. */
static const struct resume nameless = {.length = RESUME_NAMELESS};

static uint32_t erase_next = NO_PAGE; /* page of the slot an erase under way has come to */

/* Where the data of the request lies that is taken piece by piece; NULL: none is. */
static const uint8_t *in_pieces;

static struct smp_error image_error(uint16_t code) {
    return smp_group_error(SMP_GROUP_IMAGE, code);
}

static struct smp_error flash_error(enum flash_result result, uint16_t code) {
    if (result == FLASH_OK) {
        return smp_ok();
    }
    return result == FLASH_POWER_LOW ? smp_group_error(SMP_GROUP_DEVICE, DEVICE_ERROR_SUPPLY_LOW)
                                     : image_error(code);
}

static struct smp_error check_battery(void) {
#ifdef HIL_DEFECT_UPLOAD_BATTERY
    return smp_ok();
#endif
    return battery_allows_upload() ? smp_ok()
                                   : smp_group_error(SMP_GROUP_DEVICE, DEVICE_ERROR_BATTERY_LOW);
}

/* The secondary slot is taken while it holds what the next start needs: a pending update, or the
 * image to go back to. */
static bool slot_is_taken(void) {
#ifdef HIL_DEFECT_TAKEN
    return false;
#endif
    return slot_next_swap() != SLOT_SWAP_NONE;
}

static struct smp_error blank(uint32_t address) {
    if (!distrust && flash_is_erased(address, FLASH_MAP_PAGE_SIZE)) {
        return smp_ok();
    }
    return flash_error(flash_erase_page(address), IMAGE_ERROR_ERASE_FAILED);
}

static bool content_matches(uint32_t length, const uint8_t *sha) {
    struct crypto_sha256 context;
    uint8_t digest[CRYPTO_SHA256_SIZE];

    crypto_sha256_init(&context);
    crypto_sha256_update(&context, (const void *)(uintptr_t)BASE, length);
    crypto_sha256_final(&context, digest);
    return memcmp(digest, sha, sizeof(digest)) == 0;
}

void upload_init(void) {
    struct resume resume;

    memset(&state, 0, sizeof(state));
    erase_next = NO_PAGE;
    distrust = resume_load(&resume);
#ifdef HIL_DEFECT_PERSIST
    return;
#endif
    if (!distrust || resume.length == RESUME_NAMELESS) {
        return;
    }
    if (resume.length < HEADER_SIZE || resume.length > FLASH_MAP_IMAGE_SIZE_MAX ||
        slot_is_taken() || resume.pages_done > resume.length / FLASH_MAP_PAGE_SIZE ||
        (resume.pages_done > 0 && get_le32((const uint8_t *)(uintptr_t)BASE) != HEADER_MAGIC)) {
        /* The slot was changed by other means, a programmer for example. Where this fails, the next
         * start tries again. */
        (void)resume_begin(&nameless);
        return;
    }
    state.active = true;
    state.image = resume.image;
    state.length = resume.length;
    state.offset = resume.pages_done * FLASH_MAP_PAGE_SIZE;
    state.prepared = resume.pages_done;
    state.sha_length = sizeof(state.sha);
    memcpy(state.sha, resume.sha, sizeof(state.sha));
}

/* Whether the first request of an upload names the one under way. */
static bool names_current(const struct upload_request *request) {
#ifdef HIL_DEFECT_RESUME
    return false;
#endif
#ifdef HIL_DEFECT_MIXED
    return state.active;
#endif
    return state.active && request->sha_length > 0 && request->sha_length == state.sha_length &&
           request->image == state.image &&
           (request->length == UPLOAD_NOT_GIVEN || request->length == state.length) &&
           memcmp(request->sha, state.sha, request->sha_length) == 0;
}

/* Whether the slot already holds, complete, what the first request announces. */
static bool is_there_already(const struct upload_request *request) {
    return request->sha_length == sizeof(state.sha) &&
           memcmp((const void *)(uintptr_t)BASE, request->data, HEADER_SIZE) == 0 &&
           content_matches(request->length, request->sha);
}

static struct smp_error check_first(const struct upload_request *request) {
    struct slot_image running;
    struct boot_version version;

    if (request->image != 0) {
        return image_error(IMAGE_ERROR_INVALID_SLOT);
    }
    if (request->data_length < HEADER_SIZE) {
        return image_error(IMAGE_ERROR_INVALID_HEADER);
    }
    if (request->length == UPLOAD_NOT_GIVEN || request->length < HEADER_SIZE) {
        return image_error(IMAGE_ERROR_INVALID_LENGTH);
    }
    if (get_le32(request->data) != HEADER_MAGIC) {
        return image_error(IMAGE_ERROR_INVALID_HEADER_MAGIC);
    }
    if (slot_is_taken()) {
        return image_error(IMAGE_ERROR_NO_FREE_SLOT);
    }
    if (request->length > FLASH_MAP_IMAGE_SIZE_MAX) {
        return image_error(IMAGE_ERROR_TOO_LARGE);
    }
    if (request->data_length > request->length) {
        return image_error(IMAGE_ERROR_DATA_OVERRUN);
    }
    version.major = request->data[HEADER_VERSION];
    version.minor = request->data[HEADER_VERSION + 1];
    version.revision = get_le16(&request->data[HEADER_VERSION + 2]);
    version.build = get_le32(&request->data[HEADER_VERSION + 4]);
    if (request->upgrade && slot_read(0, &running) &&
        !slot_version_is_greater(&version, &running.version)) {
        return image_error(IMAGE_ERROR_CURRENT_VERSION_IS_NEWER);
    }
    return smp_ok();
}

/* The order matters for a cut at any point: first the record that names the new upload, then the
 * slot is touched. The trailer and the former image's header go at once, so that nothing half old,
 * half new can be taken for an image. */
static struct smp_error begin(const struct upload_request *request) {
    struct resume resume = {.image = request->image, .length = request->length};
    struct smp_error error;

    state.active = false;
    if (request->sha_length == sizeof(resume.sha)) {
        memcpy(resume.sha, request->sha, sizeof(resume.sha));
    } else {
        resume = nameless;
    }
    error = flash_error(resume_begin(&resume), IMAGE_ERROR_WRITE_FAILED);
    if (error.kind == SMP_OK) {
        error = blank(TRAILER_PAGE);
    }
    if (error.kind == SMP_OK) {
        error = blank(FLASH_MAP_SECONDARY_START);
    }
    if (error.kind != SMP_OK) {
        return error;
    }
    memset(&state, 0, sizeof(state));
    state.image = request->image;
    state.length = request->length;
    state.sha_length = request->sha_length;
    if (request->sha_length > 0) {
        memcpy(state.sha, request->sha, request->sha_length);
    }
    state.active = true;
    return smp_ok();
}

/* Programs the next piece of a request. What was programmed before an error is counted, so that the
 * client goes on from there. */
static struct smp_error append_piece(const struct upload_request *request) {
    static uint32_t stage_words[STAGE_SIZE / 4];
    uint8_t *stage = (uint8_t *)stage_words;
    const uint8_t *data = &request->data[state.offset - request->offset];
    uint32_t length = request->data_length - (state.offset - request->offset);

    if (length > 0) {
        uint32_t page = state.offset / FLASH_MAP_PAGE_SIZE;
        uint32_t have = state.offset % 4;
        uint32_t start = state.offset - have;
        uint32_t room = (page + 1) * FLASH_MAP_PAGE_SIZE - start;
        uint32_t take;
        uint32_t whole;
        struct smp_error error;

        if (page >= state.prepared) {
            error = blank(BASE + page * FLASH_MAP_PAGE_SIZE);
            if (error.kind != SMP_OK) {
                return error;
            }
            state.prepared = page + 1;
        }
        if (room > STAGE_SIZE) {
            room = STAGE_SIZE;
        }
        take = room - have < length ? room - have : length;
        memcpy(stage, state.tail, have);
        memcpy(&stage[have], data, take);
        whole = (have + take) & ~3u;
        if (state.offset + take == state.length && whole != have + take) {
            memset(&stage[have + take], 0xFF, whole + 4 - (have + take));
            whole += 4;
        }
        error = flash_error(whole == 0 ? FLASH_OK : flash_write(BASE + start, stage, whole),
                            IMAGE_ERROR_WRITE_FAILED);
        if (error.kind != SMP_OK) {
            return error;
        }
        if (have + take > whole) {
            memcpy(state.tail, &stage[whole], have + take - whole);
        }
        state.offset += take;
        if (state.offset % FLASH_MAP_PAGE_SIZE == 0) {
            (void)resume_advance(
                state.offset / FLASH_MAP_PAGE_SIZE); /* without the mark a resume starts earlier */
        }
    }
    return smp_ok();
}

static void finish(struct upload_answer *answer) {
    state.active = false;
    /* Where this fails, the next start finds a complete upload and ends up here again. */
    (void)(distrust ? resume_begin(&nameless) : resume_forget());
    if (state.sha_length == sizeof(state.sha)) {
        answer->checked = true;
        answer->match = content_matches(state.length, state.sha);
    }
}

/* Whether a request is the one of which a part was taken. Between two pieces another client may
 * have sent one of its own, or ended the upload. */
static bool continues(const struct upload_request *request) {
    return in_pieces != NULL && in_pieces == request->data && state.active &&
           state.offset > request->offset && state.offset - request->offset < request->data_length;
}

/* Takes a piece of a request. The radio is served in between: while the flash is written no packet
 * is looked at, and a whole request of 25 ms of writing would stop the controller for a while. */
static struct smp_error take(const struct upload_request *request, struct upload_answer *answer) {
    struct smp_error error = append_piece(request);

    if (error.kind != SMP_OK) {
        return error;
    }
    if (state.offset - request->offset < request->data_length) {
        in_pieces = request->data;
        error.kind = SMP_AGAIN;
        return error;
    }
    answer->offset = state.offset;
    if (state.offset == state.length) {
        finish(answer);
    }
    return smp_ok();
}

struct smp_error upload_chunk(const struct upload_request *request, struct upload_answer *answer) {
    const bool goes_on = continues(request);
    struct smp_error error;

    in_pieces = NULL;
    memset(answer, 0, sizeof(*answer));
    if (goes_on) {
        return take(request, answer);
    }
#ifdef HIL_DEFECT_SLOW
    time_sleep_ms(100);
#endif
    if (upload_is_erasing()) {
        return smp_protocol_error(SMP_ERROR_BUSY);
    }
    if (request->offset == UPLOAD_NOT_GIVEN) {
        return image_error(IMAGE_ERROR_INVALID_OFFSET);
    }
    if (request->sha_length > sizeof(state.sha)) {
        return image_error(IMAGE_ERROR_INVALID_HASH);
    }
    error = check_battery();
    if (error.kind != SMP_OK) {
        return error;
    }
    if (request->offset == 0 && names_current(request) && state.offset > 0) {
        answer->offset = state.offset;
        if (state.offset == state.length) {
            finish(answer);
        }
        return smp_ok();
    }
    if (request->offset == 0) {
        error = check_first(request);
        if (error.kind != SMP_OK) {
            return error;
        }
        /* Of an upload under way the last word may read right and be half programmed. */
        if (!state.active && is_there_already(request)) {
            answer->offset = request->length;
            answer->checked = true;
            answer->match = true;
            return smp_ok();
        }
        error = begin(request);
        if (error.kind != SMP_OK) {
            return error;
        }
    } else if (!state.active || request->offset != state.offset) {
        answer->offset = state.active ? state.offset : 0;
        return smp_ok();
#ifndef HIL_DEFECT_LENGTHS
    } else if (request->data_length > state.length - state.offset) {
        return image_error(IMAGE_ERROR_DATA_OVERRUN);
#endif
    }
    return take(request, answer);
}

struct smp_error upload_erase(bool *done) {
    struct smp_error error = check_battery();

    *done = false;
    if (error.kind == SMP_OK && slot_is_taken()) {
        error = image_error(IMAGE_ERROR_NO_FREE_SLOT);
    }
    if (error.kind == SMP_OK && erase_next == NO_PAGE) {
        state.active = false;
        erase_next = 0;
        error = flash_error(resume_begin(&nameless), IMAGE_ERROR_WRITE_FAILED);
    }
    if (error.kind == SMP_OK) {
        error = blank(FLASH_MAP_SECONDARY_START + erase_next * FLASH_MAP_PAGE_SIZE);
    }
    if (error.kind != SMP_OK) {
        erase_next = NO_PAGE;
        return error;
    }
    erase_next++;
    if (erase_next == FLASH_MAP_SECONDARY_SIZE / FLASH_MAP_PAGE_SIZE) {
        erase_next = NO_PAGE;
        distrust = false;
        (void)resume_forget(); /* where this fails, the next start distrusts a slot that is blank */
        (void)resume_prepare(); /* where this fails, the next upload erases the page itself */
        *done = true;
    }
    return smp_ok();
}

struct smp_error upload_forget(void) {
    state.active = false;
    erase_next = NO_PAGE;
    distrust = true;
#ifdef HIL_DEFECT_FACTORY_RESET
    return flash_error(slot_request_revert(), IMAGE_ERROR_WRITE_FAILED);
#endif
    return flash_error(resume_reset(&nameless), IMAGE_ERROR_WRITE_FAILED);
}

bool upload_is_erasing(void) {
    return erase_next != NO_PAGE;
}

void upload_abandon(void) {
    erase_next = NO_PAGE;
    in_pieces = NULL;
}
