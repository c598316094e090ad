#include "boot/swap_offset.h"

#include <stddef.h>
#include <string.h>

#include "boot/log.h"
#include "boot/steady.h"
#include "flash_map.h"
#include "test_build.h"

#define PAGE FLASH_MAP_PAGE_SIZE
#define STEPS_PER_PAGE 2u

/* The words of a page on their way; static because it is large for a stack. */
static uint8_t page_buffer[PAGE];

static bool size_is_sound(uint32_t size) {
    return size > 0u && size <= FLASH_MAP_IMAGE_SIZE_MAX;
}

static uint32_t pages_of(uint32_t size) {
    return (size + PAGE - 1u) / PAGE;
}

bool swap_is_under_way(void) {
    if (!trailer_magic_is_good(TRAILER_PRIMARY) ||
        trailer_flag_is_set(TRAILER_PRIMARY, TRAILER_COPY_DONE) ||
        trailer_swap_type(TRAILER_PRIMARY) == BOOT_SWAP_NONE ||
        !size_is_sound(trailer_swap_size(TRAILER_PRIMARY))) {
        return false;
    }
    /* A request that still stands belongs to this swap only before its first step: afterwards
     * somebody has put a new update there. */
    return !trailer_magic_is_good(TRAILER_SECONDARY) ||
           trailer_steps_done(STEPS_PER_PAGE * pages_of(trailer_swap_size(TRAILER_PRIMARY))) == 0u;
}

static struct trailer_content content_of(const struct swap_plan *plan) {
    struct trailer_content content;
    (void)memset(&content, 0, sizeof content);
    content.type = plan->type;
    content.swap_size = plan->secondary->total_size;
    content.tlv_sizes = plan->secondary->unprotected_size << 16;
    if (plan->primary != NULL) {
        if (plan->primary->total_size > content.swap_size) {
            content.swap_size = plan->primary->total_size;
        }
        content.tlv_sizes |= plan->primary->unprotected_size;
    }
    if (plan->primary_cipher != NULL && plan->primary_cipher->active) {
        (void)memcpy(content.keys[0], plan->primary_cipher->key, sizeof content.keys[0]);
    }
    if (plan->secondary_cipher != NULL && plan->secondary_cipher->active) {
        (void)memcpy(content.keys[1], plan->secondary_cipher->key, sizeof content.keys[1]);
    }
    return content;
}

void swap_request_revert(const struct swap_plan *plan) {
    struct trailer_content content = content_of(plan);
    content.copy_done = true; /* this is what tells a revert's request from an update's */
    trailer_make(TRAILER_SECONDARY, &content);
}

bool swap_begin(const struct swap_plan *plan) {
    struct trailer_content content = content_of(plan);
    content.image_ok = plan->type == BOOT_SWAP_PERMANENT;
    if (!trailer_settle(TRAILER_SECONDARY)) {
        return false;
    }
#ifdef HIL_DEFECT_REQUEST
    trailer_invalidate(TRAILER_SECONDARY);
    trailer_erase(TRAILER_SECONDARY);
#endif
    trailer_invalidate(TRAILER_PRIMARY);
    trailer_make(TRAILER_PRIMARY, &content);
    trailer_invalidate(TRAILER_SECONDARY);
    return true;
}

#ifdef HIL_ENCRYPTED_IMAGES
/* The cipher of the image whose plain header lies at `address` now. */
static void open_saved_cipher(uint32_t address, uint32_t key_index, struct cipher *cipher) {
    struct image image;
    cipher->active =
        image_read(&image, address, FLASH_MAP_IMAGE_SIZE_MAX, false) != BOOT_REFUSAL_HEADER &&
        (image.flags & IMAGE_FLAG_ENCRYPTED_AES128) != 0u;
    cipher->payload_start = image.header_size;
    cipher->payload_size = image.payload_size;
    trailer_key(TRAILER_PRIMARY, key_index, cipher->key);
}
#endif

/* The ciphers of the image that leaves the primary slot and of the one that enters it. Their
 * headers move at the steps that move page 0; header and key are needed again only until then, or
 * are at their new place. */
static void find_ciphers(enum boot_swap type, uint32_t pages, uint32_t done, struct cipher *leaving,
                         struct cipher *entering) {
    leaving->active = false;
    entering->active = false;
#ifdef HIL_ENCRYPTED_IMAGES
    const bool revert = type == BOOT_SWAP_REVERT;
    const uint32_t first_of_page0 = revert ? STEPS_PER_PAGE * (pages - 1u) : 0u;
    const uint32_t left_to = FLASH_MAP_SECONDARY_START + (revert ? PAGE : 0u);
    const uint32_t enters_from = FLASH_MAP_SECONDARY_START + (revert ? 0u : PAGE);
    open_saved_cipher((done > first_of_page0) ? left_to : FLASH_MAP_PRIMARY_START, 0u, leaving);
    open_saved_cipher((done > first_of_page0 + 1u) ? FLASH_MAP_PRIMARY_START : enters_from, 1u,
                      entering);
#else
    (void)type;
    (void)pages;
    (void)done;
#endif
}

/* Copies page `index` of an image; returns when the target reads back right. */
static void copy_page(uint32_t from, uint32_t to, uint32_t index, const struct cipher *cipher) {
    for (uint32_t attempt = 0; attempt < STEADY_ATTEMPTS; attempt++) {
        steady_erase(to);
        (void)memcpy(page_buffer, (const void *)(uintptr_t)from, PAGE);
        encrypted_apply(cipher, index * PAGE, page_buffer, PAGE);
        if (steady_write(to, page_buffer, PAGE)) {
            return;
        }
    }
    steady_failed(to);
}

/* Step `step` of `STEPS_PER_PAGE * pages`. */
static void run_step(uint32_t step, uint32_t pages, bool revert, const struct cipher *leaving,
                     const struct cipher *entering) {
    const uint32_t turn = step / STEPS_PER_PAGE;
    const uint32_t index = revert ? pages - 1u - turn : turn;
    const uint32_t primary = FLASH_MAP_PRIMARY_START + index * PAGE;
    const uint32_t lower = FLASH_MAP_SECONDARY_START + index * PAGE;
    const uint32_t upper = lower + PAGE;
    if ((step % STEPS_PER_PAGE) == 0u) {
        copy_page(primary, revert ? upper : lower, index, leaving);
    } else {
        copy_page(revert ? lower : upper, primary, index, entering);
    }
}

enum boot_swap swap_finish(void) {
    const enum boot_swap type = trailer_swap_type(TRAILER_PRIMARY);
    const bool revert = type == BOOT_SWAP_REVERT;
    const uint32_t pages = pages_of(trailer_swap_size(TRAILER_PRIMARY));
    const uint32_t total = STEPS_PER_PAGE * pages;
    uint32_t done = trailer_steps_done(total);
    struct cipher leaving;
    struct cipher entering;

    log_image(0u);
    log_text((type == BOOT_SWAP_REVERT) ? "revert" : "swap");
    log_text((done == 0u) ? " starts, " : " resumes, ");
    log_number(done);
    log_text(" of ");
    log_number(total);
    log_text(" steps done");
    log_end();

    if (done == 0u) {
        if (!trailer_settle(TRAILER_PRIMARY)) {
            steady_failed(FLASH_MAP_PRIMARY_START + FLASH_MAP_PRIMARY_SIZE -
                          PAGE); /* nothing was moved yet */
        }
        trailer_invalidate(TRAILER_SECONDARY);
        trailer_erase(TRAILER_SECONDARY);
    } else {
        trailer_record_step(done - 1u);
    }
    find_ciphers(type, pages, done, &leaving, &entering);
    for (; done < total; done++) {
#ifdef HIL_DEFECT_COPY_DONE
        if (done + 1u == total) {
            trailer_set_flag(TRAILER_PRIMARY, TRAILER_COPY_DONE);
        }
#endif
#ifdef HIL_DEFECT_STATUS
        trailer_record_step(done);
#endif
        run_step(done, pages, revert, &leaving, &entering);
        trailer_record_step(done);
    }
    if (revert) {
        /* What lies there must be taken neither for an image nor for a request. */
        steady_erase(FLASH_MAP_SECONDARY_START);
        trailer_erase(TRAILER_SECONDARY);
        trailer_set_flag(TRAILER_PRIMARY, TRAILER_IMAGE_OK);
    }
    trailer_set_flag(TRAILER_PRIMARY, TRAILER_COPY_DONE);
    return type;
}
