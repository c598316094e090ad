/* The memory protection unit (ARMv7-M Architecture Reference Manual, B3.5), and which pages of
 * memory the engines let through without asking.
 *
 * An engine protects whole pages. A page in which everything has the same rights is given these; in
 * any other page each access is looked at here.
 */
#include <string.h>

#include "core.h"

/* Beside the rights of a page: some of it has others; it is mapped as a part of the bus. */
enum { MIXED = 8, AS_BUS = 8, SINGLE_PAGES = 8 };

/* AP of MPU_RASR (table B3-15) as rights of privileged and of other code. */
static uint32_t permitted(uint32_t attributes, bool privileged) {
    static const uint8_t rights[8][2] = {
        {0, 0}, {3, 0}, {3, 1}, {3, 3}, {0, 0}, {1, 0}, {1, 1}, {1, 1},
    };
    uint32_t may = rights[attributes >> 24 & 7][privileged ? 0 : 1];
    if ((may & MAY_READ) && !(attributes >> 28 & 1))
        may |= MAY_EXECUTE;
    return may;
}

static uint32_t region_bits(uint32_t attributes) {
    return (attributes >> 1 & 0x1F) + 1;
}

static bool in_region(const struct core *c, uint32_t region, uint32_t address) {
    uint32_t attributes = c->mpu_size[region];
    uint32_t bits = region_bits(attributes);
    if (!(attributes & 1) || bits < 5)
        return false;
    if (bits < 32 && (address ^ c->mpu_base[region]) >> bits)
        return false;
    if (bits < 8) /* subregions exist from 256 bytes on */
        return true;
    return !(attributes >> (8 + (address >> (bits - 3) & 7)) & 1);
}

/* MAY_ bits for data and instructions at an address, apart from what the address space itself
 * forbids. */
uint32_t core_rights(const struct core *c, uint32_t view, uint32_t address) {
    if (view == VIEW_OFF)
        return MAY_ALL;
    for (uint32_t region = MPU_REGIONS; region-- > 0;)
        if (in_region(c, region, address))
            return permitted(c->mpu_size[region], view == VIEW_PRIVILEGED);
    return view == VIEW_PRIVILEGED && (c->mpu_control & MPU_PRIVDEFENA) ? MAY_ALL : 0;
}

/* How the MPU looks at what executes now; 0 while it is off. */
uint32_t core_view(struct core *c) {
    if (!(c->mpu_control & MPU_ENABLE))
        return VIEW_OFF;
    if (!(c->mpu_control & MPU_HFNMIENA) && core_negative_priority(c))
        return VIEW_OFF;
    return core_privileged(c) ? VIEW_PRIVILEGED : VIEW_USER;
}

/* ---- pages --------------------------------------------------------------------------------- */

static uint32_t page_address(uint32_t page) {
    if (page < FLASH_PAGES)
        return page * PAGE;
    if (page < FLASH_PAGES + RAM_PAGES)
        return RAM_BASE + (page - FLASH_PAGES) * PAGE;
    return CODE_RAM_BASE + (page - FLASH_PAGES - RAM_PAGES) * PAGE;
}

/* The number of the page of flash or RAM that holds an address; -1 where there is neither. */
int core_page(uint32_t address) {
    if (address < FLASH_SIZE)
        return (int)(address / PAGE);
    if (address - RAM_BASE < RAM_SIZE)
        return (int)(FLASH_PAGES + (address - RAM_BASE) / PAGE);
    if (address - CODE_RAM_BASE < RAM_SIZE)
        return (int)(FLASH_PAGES + RAM_PAGES + (address - CODE_RAM_BASE) / PAGE);
    return -1;
}

/* Whether a region or one of its subregions ends inside the page. */
static bool is_mixed(const struct core *c, uint32_t address) {
    for (uint32_t region = 0; region < MPU_REGIONS; region++) {
        uint32_t attributes = c->mpu_size[region];
        uint32_t bits = region_bits(attributes);
        bool small = bits < 10 || (bits < 13 && (attributes & 0xFF00));
        uint32_t reach = bits < 10 ? 10 : bits;
        if ((attributes & 1) && small && !((address ^ c->mpu_base[region]) >> reach))
            return true;
    }
    return false;
}

/* The rights that all of a page has for data and that any of it has for instructions, and whether
 * some of it has others. */
static uint32_t rights_in(const struct core *c, uint32_t view, uint32_t address) {
    uint32_t rights = core_rights(c, view, address);
    if (view == VIEW_OFF || !is_mixed(c, address))
        return rights;
    uint32_t mixed = 0;
    for (uint32_t at = address + 32; at < address + PAGE; at += 32) {
        uint32_t here = core_rights(c, view, at);
        mixed |= here ^ rights ? MIXED : 0u;
        rights = (rights & here & (MAY_READ | MAY_WRITE)) | ((rights | here) & MAY_EXECUTE);
    }
    return rights | mixed;
}

/* What an engine is to let through of a page by itself. */
static uint32_t target(const struct core *c, uint32_t page) {
    const struct core_tables *tables = c->tables;
    uint32_t rights = tables->view[c->mpu_view][page];
    uint32_t mixed = rights & MIXED;
    rights &= MAY_ALL;
    if (page < FLASH_PAGES) {
        uint32_t whole = page * PAGE / FLASH_PAGE;
        if ((c->read_protect[whole / 64] | c->read_watch[whole / 64]) >> (whole % 64) & 1)
            return AS_BUS;
        rights &= ~(uint32_t)MAY_WRITE; /* stores there program: see access.c */
    } else if (!tables->code[page]) {
        rights &= ~(uint32_t)MAY_EXECUTE; /* until it is tried: see core_open_code */
    } else {
        rights &=
            ~(uint32_t)MAY_WRITE; /* a store has to reach the code that both engines made of it */
    }
    return mixed && !(rights & MAY_READ) ? AS_BUS : rights;
}

/* Let the engine ask about accesses to a range. Where it might ask, stores are slow: so it does in
 * RAM only as long as it must. */
static void ask_about(struct core *c, uint32_t which, size_t *hook, uint64_t first, uint64_t last,
                      bool ask) {
    if (ask && !*hook)
        c->add_hook(c->engines[which], hook, HOOK_REFUSED, (void *)core_on_bad_access, c, first,
                    last);
    if (!ask && *hook) {
        c->delete_hook(c->engines[which], *hook);
        *hook = 0;
    }
}

static bool is_open(uint32_t rights) {
    return (rights & (MAY_READ | MAY_WRITE)) == (MAY_READ | MAY_WRITE);
}

/* A few guarded pages are asked about one by one; where there are more, or user code that only part
 * of the RAM is for, all of it is, until the MPU is switched off. */
static void ask_about_ram(struct core *c, uint32_t which) {
    struct core_tables *tables = c->tables;
    uint32_t closed = 0;
    for (uint32_t page = 0; page < RAM_PAGES; page++)
        closed += !is_open(tables->rights[which][FLASH_PAGES + page]);
    bool all = closed > SINGLE_PAGES || (tables->hook_all[which] && c->mpu_control);
    ask_about(c, which, &tables->hook_all[which], RAM_BASE, RAM_BASE + RAM_SIZE - 1, all);
    for (uint32_t page = 0; page < RAM_PAGES; page++) {
        uint64_t address = RAM_BASE + page * PAGE;
        bool ask = !all && !is_open(tables->rights[which][FLASH_PAGES + page]);
        ask_about(c, which, &tables->hook[which][page], address, address + PAGE - 1, ask);
    }
}

/* The engine asks about each read only on the bus: a page of which parts may be read becomes one.
 */
static void exchange(struct core *c, void *engine, uint32_t address, bool as_bus) {
    c->unmap(engine, address, PAGE);
    if (as_bus)
        c->map_bus(engine, address, PAGE, (void *)core_on_bus_read, c, (void *)core_on_bus_write,
                   c);
    else
        c->map_memory(engine, address, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      core_memory(c, address, PAGE));
}

/* Give an engine its rights, neighbours with the same ones together. */
static void apply_to(struct core *c, uint32_t which, uint32_t from, uint32_t to) {
    struct core_tables *tables = c->tables;
    void *engine = c->engines[which];
    bool any = false;
    for (uint32_t page = from; page < to;) {
        uint32_t before = tables->rights[which][page], after = target(c, page);
        uint32_t first = page, address = page_address(page), less = 0;
        if (before == after) {
            page++;
            continue;
        }
        any = true;
        do {
            less |= tables->rights[which][page] & ~after & MAY_EXECUTE;
            if ((tables->rights[which][page] ^ after) & AS_BUS)
                exchange(c, engine, page_address(page), after & AS_BUS);
            tables->rights[which][page++] = (uint8_t)after;
        } while (page < to && page_address(page) == address + (page - first) * PAGE &&
                 target(c, page) == after && tables->rights[which][page] != after);
        uint64_t length = (uint64_t)(page - first) * PAGE;
        if (less)
            c->control(engine, ENGINE_REMOVE_CACHE, (uint64_t)address, address + length);
        c->protect(engine, address, length,
                   (after & MAY_READ ? PROT_READ : 0u) | (after & MAY_WRITE ? PROT_WRITE : 0u) |
                       (after & MAY_EXECUTE ? PROT_EXEC : 0u));
    }
    if (!any)
        return;
    ask_about_ram(c, which);
    c->control(engine, ENGINE_FORGET_PAGES);
}

/* Tell the engines what has changed since; not while one runs. */
void core_apply_rights(struct core *c, bool all) {
    struct core_tables *tables = c->tables;
    uint32_t from = all ? 0 : PAGES, to = all ? PAGES : 0;
    for (uint32_t page = 0; c->pages_changed && page < PAGES; page++) {
        if (!tables->changed[page])
            continue;
        tables->changed[page] = 0;
        from = page < from ? page : from;
        to = page >= to ? page + 1 : to;
        for (uint32_t view = VIEW_OFF; view <= VIEW_USER; view++)
            tables->view[view][page] = (uint8_t)rights_in(c, view, page_address(page));
    }
    c->pages_changed = 0;
    for (uint32_t which = 0; which < ENGINES; which++)
        apply_to(c, which, from, to);
}

/* Code is about to be executed from RAM. Pages of RAM cannot be executed from until then, since the
 * engine looks at every store to a page that can. False: it was open already. */
bool core_open_code(struct core *c, uint32_t address) {
    bool opened = false;
    for (uint32_t at = address; at <= address + 2; at += 2) {
        int page = core_page(at);
        if (page < (int)FLASH_PAGES || c->tables->code[page])
            continue;
        core_mark_code(c, at, 2);
        opened = true;
    }
    return opened;
}

/* Remember that there is translated code of these bytes. */
void core_mark_code(struct core *c, uint32_t address, uint32_t length) {
    int first = core_page(address), last = core_page(address + length - 1);
    if (first < 0 || last < first)
        return;
    for (int page = first; page <= last; page++) {
        if (c->tables->code[page])
            continue;
        c->tables->code[page] = 1;
        if (page >= FLASH_PAGES) {
            c->tables->changed[page] = 1;
            c->pages_changed = 1;
        }
    }
}

/* Look at the pages of `length` bytes again before the next instruction. Safe in callbacks. */
EXPORT void core_pages_changed(struct core *c, uint32_t address, uint64_t length) {
    for (uint64_t at = address; at < address + length && at < 1ull << 32; at += PAGE) {
        int page = core_page((uint32_t)at);
        if (page < 0)
            at = (at | 0xFFFFF) + 1 - PAGE; /* memories begin at multiples of 1 MB, or of 8 */
        else
            c->tables->changed[page] = 1;
    }
    c->pages_changed = 1;
    c->attention = 1;
    c->limit = 0;
}

/* Nothing that was translated, counted or told to the engines holds any more. Not while one runs.
 */
EXPORT void core_forget(struct core *c) {
    memset(c->tables->block, 0, sizeof c->tables->block);
    memset(c->tables->code, 0, sizeof c->tables->code);
    memset(c->tables->changed, 1, sizeof c->tables->changed);
    c->pages_changed = 1;
}

/* The engines as they are made: all memory open, flash to be read only. */
EXPORT void core_begin(struct core *c) {
    for (uint32_t which = 0; which < ENGINES; which++) {
        memset(c->tables->rights[which], MAY_READ | MAY_WRITE, PAGES);
        memset(c->tables->rights[which], MAY_READ | MAY_EXECUTE, FLASH_PAGES);
    }
    core_forget(c);
}

/* MPU_CTRL: what no region covers depends on it. Safe in callbacks. */
EXPORT void core_set_mpu(struct core *c, uint32_t control) {
    if ((control ^ c->mpu_control) & MPU_PRIVDEFENA)
        memset(c->tables->changed, 1, sizeof c->tables->changed);
    c->mpu_control = control;
    c->pages_changed = 1;
    c->attention = 1;
    c->limit = 0;
}

/* MPU_RBAR and MPU_RASR of a region as software writes them. Safe in callbacks. */
EXPORT void core_set_region(struct core *c, uint32_t region, uint32_t base, uint32_t attributes) {
    for (int turn = 0; turn < 2; turn++) {
        uint32_t bits = region_bits(c->mpu_size[region]);
        if (c->mpu_size[region] & 1)
            core_pages_changed(c, c->mpu_base[region] & ~(uint32_t)((1ull << bits) - 1),
                               1ull << bits);
        c->mpu_base[region] = base;
        c->mpu_size[region] = attributes;
    }
}
