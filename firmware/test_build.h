/* Guards the defects that test builds put into the bootloader on purpose, one for each check, to
 * show that the case for that check fails. A production build that carries one does not compile. */
#ifndef TEST_BUILD_H
#define TEST_BUILD_H

#if (defined(HIL_DEFECT_SIGNATURE) || defined(HIL_DEFECT_VERSION) ||                               \
     defined(HIL_DEFECT_BATTERY) || defined(HIL_DEFECT_CONFIRM) || defined(HIL_DEFECT_ACL) ||      \
     defined(HIL_DEFECT_ANOMALY242) || defined(HIL_DEFECT_HASH) ||                                 \
     defined(HIL_DEFECT_DEBUG_KEY) || defined(HIL_DEFECT_HARDWARE) ||                              \
     defined(HIL_DEFECT_COUNTER) || defined(HIL_DEFECT_DEPENDENCY) ||                              \
     defined(HIL_DEFECT_VECTORS) || defined(HIL_DEFECT_SWAP_RESUME) ||                             \
     defined(HIL_DEFECT_UPLOAD_BATTERY) || defined(HIL_DEFECT_RESUME) ||                           \
     defined(HIL_DEFECT_PERSIST) || defined(HIL_DEFECT_MIXED) || defined(HIL_DEFECT_LENGTHS) ||    \
     defined(HIL_DEFECT_TAKEN) || defined(HIL_DEFECT_RUNNING) ||                                   \
     defined(HIL_DEFECT_FACTORY_RESET) || defined(HIL_DEFECT_INSTALL) ||                           \
     defined(HIL_DEFECT_COPY_DONE) || defined(HIL_DEFECT_STATUS) || defined(HIL_DEFECT_MAGIC) ||   \
     defined(HIL_DEFECT_REVERT) || defined(HIL_DEFECT_REQUEST) || defined(HIL_DEFECT_MTU) ||       \
     defined(HIL_DEFECT_ASSERTION) || defined(HIL_DEFECT_SLOW)) &&                                 \
    !defined(HIL_TEST_BUILD)
#error "a production build must not carry a defect: HIL_DEFECT_* needs HIL_TEST_BUILD"
#endif

#endif
