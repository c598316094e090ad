#include "boot/upgrade.h"

#include <stddef.h>

#include "boot/battery.h"
#include "boot/counter.h"
#include "boot/log.h"
#include "boot/swap_offset.h"
#include "boot/trailer.h"
#include "boot/validate.h"
#include "test_build.h"

/* A swap, then perhaps the revert of an image that turned out bad, then a look at the result. */
#define ROUNDS 6u

static void log_refused(const struct image *image, enum boot_refusal refusal) {
    log_image(0u);
    if (refusal != BOOT_REFUSAL_HEADER) {
        log_version(&image->version);
        log_text(" ");
    }
    log_text("refused: ");
    log_text(log_refusal_name(refusal));
    log_end();
}

/* True when the image in the primary slot was swapped in for a test, has run, and was not
 * confirmed. */
static bool revert_is_due(void) {
#ifdef HIL_DEFECT_CONFIRM
    return false;
#else
    return trailer_magic_is_good(TRAILER_PRIMARY) &&
           trailer_flag_is_set(TRAILER_PRIMARY, TRAILER_COPY_DONE) &&
           trailer_flag_is_erased(TRAILER_PRIMARY, TRAILER_IMAGE_OK);
#endif
}

static bool is_revert_request(void) {
    return trailer_flag_is_set(TRAILER_SECONDARY, TRAILER_COPY_DONE) &&
           !trailer_flag_is_set(TRAILER_SECONDARY, TRAILER_IMAGE_OK);
}

/* An update was requested: checks it and begins the swap. True: look again. */
static bool begin_update(const struct provisioning *page, struct boot_image_info *info) {
#ifdef HIL_DEFECT_INSTALL
    if (page != NULL) {
        return false;
    }
#endif
    struct image update;
    struct image installed;
    struct cipher update_cipher;
    struct cipher installed_cipher;
    bool installed_is_valid =
        image_read_primary(&installed) == BOOT_REFUSAL_NONE &&
        validate_image(&installed, page, &installed_cipher, NULL) == BOOT_REFUSAL_NONE;
    enum boot_refusal refusal = image_read_update(&update);
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = validate_image(&update, page, &update_cipher, NULL);
    }
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = validate_update(&update, installed_is_valid ? &installed : NULL);
    }
    if (refusal != BOOT_REFUSAL_NONE) {
        info->refusal = (uint8_t)refusal;
        log_refused(&update, refusal);
        /* The request is answered; what was uploaded stays until it is erased. */
        if (battery_allows_swap()) {
            trailer_invalidate(TRAILER_SECONDARY);
            trailer_erase(TRAILER_SECONDARY);
        }
        return false;
    }
    if (!battery_allows_swap()) {
        if (installed_is_valid) {
            info->refusal = (uint8_t)BOOT_REFUSAL_BATTERY;
            log_image(0u);
            log_version(&update.version);
            log_text(" waits for the next start: battery ");
            log_number(battery_percent());
            log_text(" %");
            log_end();
            return false;
        }
        battery_wait("update");
    }
    const struct swap_plan plan = {
        .type = trailer_flag_is_set(TRAILER_SECONDARY, TRAILER_IMAGE_OK) ? BOOT_SWAP_PERMANENT
                                                                         : BOOT_SWAP_TEST,
        .primary = installed_is_valid ? &installed : NULL,
        .secondary = &update,
        .primary_cipher = installed_is_valid ? &installed_cipher : NULL,
        .secondary_cipher = &update_cipher,
    };
    (void)swap_begin(&plan);
    return true;
}

/* The unconfirmed image is to be swapped out for the former one. True: look again. */
static bool begin_revert(const struct provisioning *page, struct boot_image_info *info,
                         bool requested) {
    struct image former;
    struct image unconfirmed;
    struct cipher former_cipher;
    struct cipher unconfirmed_cipher;
    enum boot_refusal refusal = image_read_former(&former);
#ifdef HIL_DEFECT_REVERT
    former_cipher.active = false;
#else
    if (refusal == BOOT_REFUSAL_NONE) {
        refusal = validate_image(&former, page, &former_cipher, NULL);
    }
#endif
    if (refusal != BOOT_REFUSAL_NONE) {
        info->refusal = (uint8_t)refusal;
        log_image(0u);
        log_text("cannot revert, the former image is refused: ");
        log_text(log_refusal_name(refusal));
        log_end();
        if (requested && battery_allows_swap()) {
            trailer_invalidate(TRAILER_SECONDARY);
            trailer_erase(TRAILER_SECONDARY);
        }
        return false;
    }
    /* The image on test may be what drains the battery or hangs: it is not started once more just
     * to wait. */
    battery_wait("revert");
    const bool unconfirmed_is_sound =
        image_read_primary(&unconfirmed) == BOOT_REFUSAL_NONE &&
        validate_image(&unconfirmed, page, &unconfirmed_cipher, NULL) == BOOT_REFUSAL_NONE;
    const struct swap_plan plan = {
        .type = BOOT_SWAP_REVERT,
        .primary = unconfirmed_is_sound ? &unconfirmed : NULL,
        .secondary = &former,
        .primary_cipher = unconfirmed_is_sound ? &unconfirmed_cipher : NULL,
        .secondary_cipher = &former_cipher,
    };
    if (!requested) {
        log_image(0u);
        log_text("was not confirmed, back to ");
        log_version(&former.version);
        log_end();
        swap_request_revert(&plan);
    }
    (void)swap_begin(&plan);
    return true;
}

/* One look at the trailers; true when something was done and they must be looked at again. */
static bool one_round(const struct provisioning *page, struct boot_image_info *info) {
#ifdef HIL_DEFECT_SWAP_RESUME
    static bool looked;
    if (!looked && swap_is_under_way()) {
        trailer_invalidate(TRAILER_PRIMARY);
    }
    looked = true;
#endif
    if (swap_is_under_way()) {
        battery_wait("swap");
        info->swap = (uint8_t)swap_finish();
        return info->swap != (uint8_t)BOOT_SWAP_TEST;
    }
    if (trailer_magic_is_good(TRAILER_SECONDARY)) {
        if (is_revert_request()) {
            if (begin_revert(page, info, true)) {
                return true;
            }
        } else if (begin_update(page, info)) {
            return true;
        }
    }
    /* An image that was swapped in just now has not run yet. */
    return revert_is_due() && info->swap != (uint8_t)BOOT_SWAP_TEST &&
           begin_revert(page, info, false);
}

bool upgrade_run(const struct provisioning *page, struct boot_image_info *info,
                 struct image *image) {
    enum boot_refusal refusal = BOOT_REFUSAL_NONE;
    info->swap = (uint8_t)BOOT_SWAP_NONE;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        /* The last round only validates: whatever the flash answers, nothing is started unchecked.
         */
        if (round + 1u < ROUNDS && one_round(page, info)) {
            continue;
        }
        refusal = image_read_primary(image);
        if (refusal == BOOT_REFUSAL_NONE) {
            refusal = validate_image(image, page, NULL, &info->security_counter);
        }
        if (refusal == BOOT_REFUSAL_NONE) {
            break;
        }
        log_refused(image, refusal);
        if (info->swap != (uint8_t)BOOT_SWAP_TEST || !revert_is_due()) {
            break;
        }
        info->swap = (uint8_t)BOOT_SWAP_NONE; /* what was swapped in is bad: revert it at once */
    }
    info->refusal = (refusal != BOOT_REFUSAL_NONE) ? (uint8_t)refusal : info->refusal;
    if (refusal != BOOT_REFUSAL_NONE) {
        return false;
    }
    info->version = image->version;
    /* An image written by a probe has no trailer: it runs for good. */
    info->confirmed = (uint8_t)(!trailer_magic_is_good(TRAILER_PRIMARY) ||
                                !trailer_flag_is_set(TRAILER_PRIMARY, TRAILER_COPY_DONE) ||
                                !trailer_flag_is_erased(TRAILER_PRIMARY, TRAILER_IMAGE_OK));
    info->present = 1u;
    if (info->confirmed != 0u) {
        /* A confirmation that was cut short is completed, and also one that only reads well before
         * the way back is closed for good. */
        if (trailer_magic_is_good(TRAILER_PRIMARY) &&
            !trailer_flag_is_erased(TRAILER_PRIMARY, TRAILER_IMAGE_OK) &&
            (!trailer_flag_is_set(TRAILER_PRIMARY, TRAILER_IMAGE_OK) ||
             info->security_counter > counter_read())) {
            trailer_set_flag(TRAILER_PRIMARY, TRAILER_IMAGE_OK);
        }
        counter_raise(info->security_counter);
    }
    return true;
}
