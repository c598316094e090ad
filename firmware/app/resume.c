#include "resume.h"

#include <string.h>

#include "boot/boot_info.h"
#include "flash_map.h"

#define MAGIC 0x524C4948u /* "HILR" */
#define PAGES 2u
#define PROGRESS_OFFSET 64u
#define PROGRESS_MARKS ((FLASH_MAP_PAGE_SIZE - PROGRESS_OFFSET) / 4u)
#define PROGRESS_KEY                                                                               \
    0x474F5250u /* mark i holds this xor i, so that a mark half programmed is told from a whole    \
                   one */

struct record {
    uint32_t magic; /* cleared to zero when the record is forgotten */
    uint32_t sequence;
    uint32_t image;
    uint32_t length;
    uint8_t sha[32];
    uint32_t crc; /* over all from `sequence` on */
};

/* The page that was erased for the next record since the start; PAGES: none was. */
static uint32_t prepared = PAGES;

_Static_assert(sizeof(struct record) <= PROGRESS_OFFSET && sizeof(struct record) % 4 == 0,
               "layout");

static uint32_t page_address(uint32_t page) {
    return FLASH_MAP_SETTINGS_START + page * FLASH_MAP_PAGE_SIZE;
}

static const struct record *record_at(uint32_t page) {
    return (const struct record *)(uintptr_t)page_address(page);
}

static uint32_t record_crc(const struct record *record) {
    return boot_crc32(&record->sequence,
                      (uint32_t)(offsetof(struct record, crc) - offsetof(struct record, sequence)));
}

static bool is_valid(uint32_t page) {
    return record_at(page)->magic == MAGIC && record_at(page)->crc == record_crc(record_at(page));
}

/* The page of the record that counts: the later one where a cut left two. PAGES where there is
 * none. */
static uint32_t current(void) {
    bool first = is_valid(0);
    bool second = is_valid(1);

    if (first && second) {
        return (int32_t)(record_at(1)->sequence - record_at(0)->sequence) > 0 ? 1 : 0;
    }
    return first ? 0 : second ? 1 : PAGES;
}

/* The page for the next record. */
static uint32_t unused(void) {
    return current() == 0 ? 1 : 0;
}

static uint32_t mark(uint32_t index) {
    return PROGRESS_KEY ^ index;
}

bool resume_load(struct resume *state) {
    uint32_t page = current();
    const uint32_t *marks;

    if (page == PAGES) {
        return false;
    }
    marks = (const uint32_t *)(uintptr_t)(page_address(page) + PROGRESS_OFFSET);
    state->image = record_at(page)->image;
    state->length = record_at(page)->length;
    memcpy(state->sha, record_at(page)->sha, sizeof(state->sha));
    state->pages_done = 0;
    while (state->pages_done < PROGRESS_MARKS &&
           marks[state->pages_done] == mark(state->pages_done)) {
        state->pages_done++;
    }
    return true;
}

static enum flash_result forget(uint32_t page) {
    const uint32_t zero = 0;

    return record_at(page)->magic == MAGIC ? flash_write(page_address(page), &zero, sizeof(zero))
                                           : FLASH_OK;
}

enum flash_result resume_prepare(void) {
    uint32_t page = unused();
    enum flash_result result = flash_erase_page(page_address(page));

    prepared = result == FLASH_OK ? page : PAGES;
    return result;
}

enum flash_result resume_begin(const struct resume *state) {
    uint32_t before = current();
    uint32_t page = unused();
    struct record record = {.magic = MAGIC, .image = state->image, .length = state->length};
    enum flash_result result;

    record.sequence = before == PAGES ? 0 : record_at(before)->sequence + 1;
    memcpy(record.sha, state->sha, sizeof(record.sha));
    record.crc = record_crc(&record);
    /* Even where it reads erased: it may be what a power cut left of the erase before. */
    result = prepared == page ? FLASH_OK : flash_erase_page(page_address(page));
    prepared = PAGES;
    if (result == FLASH_OK) {
        result = flash_write(page_address(page), &record, sizeof(record));
    }
    if (result == FLASH_OK && before != PAGES) {
        result = forget(before);
    }
    return result;
}

enum flash_result resume_advance(uint32_t pages_done) {
    uint32_t page = current();
    uint32_t value;

    if (page == PAGES || record_at(page)->length == RESUME_NAMELESS || pages_done == 0 ||
        pages_done > PROGRESS_MARKS) {
        return FLASH_OK; /* an upload without a hash cannot be resumed after a reboot */
    }
    value = mark(pages_done - 1);
    /* Programmed again even where it reads right: it may be what a power cut left of the attempt
     * before. */
    return flash_rewrite(page_address(page) + PROGRESS_OFFSET + 4 * (pages_done - 1), &value,
                         sizeof(value));
}

enum flash_result resume_forget(void) {
    enum flash_result first = forget(0);
    enum flash_result second = forget(1);

    return first != FLASH_OK ? first : second;
}

enum flash_result resume_reset(const struct resume *state) {
    enum flash_result result = resume_begin(state);

    /* The page of the record before, with all that it said. */
    return result == FLASH_OK ? flash_erase_page(page_address(unused())) : result;
}

bool resume_check(void) {
    uint32_t address = page_address(unused());

    return flash_is_erased(address, FLASH_MAP_PAGE_SIZE) || flash_erase_page(address) == FLASH_OK;
}
